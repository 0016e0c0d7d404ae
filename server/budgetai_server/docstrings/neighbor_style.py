"""How docstrings are written around a document."""

from collections.abc import Sequence

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.style import DocstringStyle, repository_style

# So many other files of a language say how the repository writes docstrings.
_MOST_FILES, _MOST_CHARACTERS = 24, 60_000


def neighbor_style(parsed: ParsedDocument, path: str, index: Index | None) -> DocstringStyle:
    """How docstrings are written around a document: in it, and in the nearest files of its
    language."""
    assert parsed.language is not None
    found = list(documentables(parsed))
    for text in _nearest(path, parsed.language, index) if index else ():
        found += documentables(ParsedDocument.of(text, parsed.language))
    return repository_style(found, parsed.language)


def _nearest(path: str, language: Language, index: Index) -> Sequence[str]:
    with index.lock:
        paths = index.paths
    # Among 20,000 files this takes 0.3 seconds, in which completions need the index.
    others = [one for one in paths if one != path and language_of(one) == language]
    others.sort(key=lambda one: (-_shared(one, path), one))
    texts = (index.text(one) for one in others[: 4 * _MOST_FILES])
    return [text for text in texts if len(text) <= _MOST_CHARACTERS][:_MOST_FILES]


def _shared(one: str, other: str) -> int:
    """How many folders two paths have in common."""
    count = 0
    for here, there in zip(one.split("/")[:-1], other.split("/")[:-1], strict=False):
        if here != there:
            break
        count += 1
    return count
