"""A text with its stale docstrings brought up to date, where a model would say NEW."""

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.edit import updated
from budgetai_core.docstrings.lint import stale
from budgetai_core.docstrings.template import Literal
from budgetai_core.docstrings.update import update

NEW = "NEW."


def brought_up_to_date(path: str, text: str) -> str:
    """All stale docstrings of a text, each by its one edit, from the last to the first."""
    language = language_of(path)
    assert language, path
    for documentable in reversed(documentables(ParsedDocument.of(text, language))):
        if stale(documentable, language) and (change := update(text, documentable, language)):
            parts = (part.text if isinstance(part, Literal) else NEW for part in change.parts)
            start, end, new = updated(text, documentable, change, "".join(parts))
            text = text[:start] + new + text[end:]
    return text
