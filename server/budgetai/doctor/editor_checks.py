"""Checks of editors: which are here, and does what they are told to start exist."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from budgetai.doctor.diagnosis import HINT, OK, Diagnosis

SERVER = "budgetai-server"
_MAX_FILES, _MAX_BYTES = 500, 500_000
_COMMAND = re.compile(rf"[\"']((?:[^\"'\n]*[/\\])?{SERVER}(?:\.exe)?)[\"']")
_PATIENCE = 10


@dataclass(frozen=True)
class SupportedEditor:
    """`programs` are what it may be called on the PATH, `files` patterns below the user's home for
    its configuration, `folders` those for an extension of ours that was installed."""

    name: str
    programs: tuple[str, ...]
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


EDITORS = (
    SupportedEditor(
        "Neovim",
        ("nvim",),
        (".config/nvim/**/*.lua", ".config/nvim/**/*.vim", "AppData/Local/nvim/**/*.lua"),
        (".local/share/nvim/site/pack/*/*/budgetai*",),
    ),
    SupportedEditor(
        "VS Code",
        ("code", "codium", "code-server"),
        (
            ".config/Code/User/settings.json",
            ".config/VSCodium/User/settings.json",
            "Library/Application Support/Code/User/settings.json",
            "AppData/Roaming/Code/User/settings.json",
        ),
        (
            ".vscode*/extensions/*budgetai*",
            ".local/share/code-server/extensions/*budgetai*",
        ),
    ),
    SupportedEditor("Vim", ("vim", "gvim"), (".vimrc", ".vim/vimrc", ".vim/**/*.vim")),
    SupportedEditor("Helix", ("hx", "helix"), (".config/helix/languages.toml",)),
    SupportedEditor(
        "Emacs", ("emacs",), (".emacs", ".emacs.el", ".emacs.d/*.el", ".config/emacs/*.el")
    ),
    SupportedEditor("Zed", ("zed", "zeditor"), (".config/zed/settings.json",)),
    SupportedEditor("Kate", ("kate",), (".config/kate/lspclient/settings.json",)),
    SupportedEditor(
        "Sublime Text",
        ("subl",),
        (".config/sublime-text/Packages/User/*.sublime-settings",),
    ),
)


def checks(home: Path | None = None) -> Iterator[Diagnosis]:
    """Look at the editors of the user whose home it is."""
    folder = home or Path.home()
    on_path = shutil.which(SERVER) is not None
    told = 0
    for editor in EDITORS:
        here = any(map(shutil.which, editor.programs))
        commands = _commands(folder, editor)
        if commands is None:
            if here:
                yield Diagnosis(
                    editor.name, OK, f"here; its configuration has no BudgetAI{_old(editor)}"
                )
            continue
        told += 1
        yield _configured(editor, commands)
    if not on_path:
        yield Diagnosis("PATH", OK if told else HINT, f"{SERVER} is not on it", _PUT_ON_PATH)
    if not told:
        remedy = "See the page of your editor in editor-clients"
        yield Diagnosis("editors", HINT, "none is set up for BudgetAI", remedy)


_PUT_ON_PATH = (
    f"Give editors the full path of {SERVER}; it lies beside the Python that BudgetAI is installed "
    "for. For uv: uv tool update-shell; for pipx: pipx ensurepath"
)


def _configured(editor: SupportedEditor, commands: set[str]) -> Diagnosis:
    """Return whether one of the commands that the configuration names can be started."""
    if commands and not any(map(_exists, commands)):
        text = f"its configuration names a {SERVER} that is not there"
        return Diagnosis(editor.name, HINT, text, _PUT_ON_PATH)
    return Diagnosis(editor.name, OK, f"set up{_old(editor)}")


def _exists(command: str) -> bool:
    path = os.path.expandvars(os.path.expanduser(command))  # noqa: PTH111
    return shutil.which(path) is not None


def _commands(home: Path, editor: SupportedEditor) -> set[str] | None:
    """Return the servers that an editor's configuration names; None where nothing in it is of
    BudgetAI."""
    if any(True for pattern in editor.folders for _ in home.glob(pattern)):
        return set()
    texts = [text for text in _texts(home, editor.files) if "budgetai" in text.lower()]
    if not texts:
        return None
    return {command for text in texts for command in _COMMAND.findall(text)}


def _texts(home: Path, patterns: Iterable[str]) -> Iterator[str]:
    paths = (path for pattern in patterns for path in home.glob(pattern))
    for path in islice(paths, _MAX_FILES):
        try:
            if path.is_file() and path.stat().st_size <= _MAX_BYTES:
                yield path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue


def _old(editor: SupportedEditor) -> str:
    """Return a remark on a Neovim that has no grey text of its own."""
    program = shutil.which("nvim") if editor.name == "Neovim" else None
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            cwd=sys.prefix,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.match(rb"NVIM v(\d+)\.(\d+)", done.stdout)
    if match is None:
        return ""
    version = int(match[1]), int(match[2])
    wanted = "" if version >= (0, 12) else ", which has grey text by our plugin alone"
    return f"; version {version[0]}.{version[1]}{wanted}"
