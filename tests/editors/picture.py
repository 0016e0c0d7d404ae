"""A terminal's screen as a picture."""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

# Fonts that a reader's machine would fetch from elsewhere, and where the maker's page is.
_ELSEWHERE = re.compile(r"@font-face \{[^}]*\}\s*|<!--.*?-->\s*")


def draw(screen: str, title: str, file: Path) -> None:
    """Write an SVG of a screen, as tmux captures it with its colours."""
    width = max(len(Text.from_ansi(line)) for line in screen.splitlines())
    console = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor")
    console.print(Text.from_ansi(screen), no_wrap=True)
    svg = console.export_svg(title=title, unique_id="screen")
    # What the screen leaves empty gets the background that Neovim draws elsewhere.
    svg = _ELSEWHERE.sub("", svg).replace("#292929", "#14161b")
    file.write_text(svg, encoding="utf-8")
