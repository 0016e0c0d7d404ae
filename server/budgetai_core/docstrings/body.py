"""What the inside of a docstring says, and where one that a model writes freely is over."""

from budgetai_core.docstrings.edit import DocstringHole
from budgetai_core.docstrings.text import commented, quoted


def body_text(hole: DocstringHole, inside: str) -> str:
    """The text of an inside that stands in a hole: dedented, without the marks of its lines."""
    whole, mark = f"{hole.opening}{inside}{hole.closing.strip()}", hole.opening.strip()
    if mark.startswith("/"):
        return commented(whole, 0, len(whole), mark).text
    found = quoted(whole, 0, len(whole))
    return found.text if found else inside.strip()


def ended(hole: DocstringHole, text: str) -> int:
    """How many characters of a text belong to the inside: up to the closing mark, or to the first
    line that is none of a comment without one."""
    closing, mark = hole.closing.strip(), hole.opening.strip()
    if closing:
        at = text.find(closing)
        return at if at >= 0 else len(text)
    at = text.find("\n")
    while at >= 0:
        line = text[at + 1 :].partition("\n")[0].lstrip()
        # The last line may be a mark that has only begun.
        if not (line.startswith(mark) or mark.startswith(line)):
            return at
        at = text.find("\n", at + 1)
    return len(text)
