"""What opens and closes a docstring."""

from budgetai_core.docstrings.documentable import Documentable
from budgetai_core.docstrings.style import DocstringStyle

_CLOSING = {'"""': '"""', "'''": "'''", "/**": "*/"}


def opening(subject: Documentable, habits: DocstringStyle) -> str:
    """The habitual mark; Rust has another one for a whole file."""
    return "//!" if subject.kind == "module" and habits.mark == "///" else habits.mark


def closing(mark: str) -> str:
    """ "" for the mark of a line, which ends with it."""
    return _CLOSING.get(mark, "")


def lead(mark: str) -> str:
    """What stands in front of the text of each line but the first."""
    if mark == "/**":
        return " * "
    return "" if closing(mark) else f"{mark} "
