"""How docstrings are written around a document."""

from collections.abc import Sequence

from budgetai_core.context.common_prefix import common_length
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.style import DocstringStyle, repository_style

# So many other files of a language say how the repository writes docstrings.
_MAX_FILES, _MAX_CHARACTERS = 24, 60_000


def neighbor_style(parsed: ParsedDocument, path: str, index: Index | None) -> DocstringStyle:
    """Return how docstrings are written around a document: in it, and in the nearest files of its
    language."""
    assert parsed.language is not None
    entries = list(documentables(parsed))
    for text in _nearest(path, parsed.language, index) if index else ():
        entries += documentables(ParsedDocument.of(text, parsed.language))
    return repository_style(entries, parsed.language)


def _nearest(path: str, language: Language, index: Index) -> Sequence[str]:
    with index.lock:
        paths = index.paths
    # Among 20,000 files this takes 0.3 seconds, in which completions need the index.
    others = [other for other in paths if other != path and language_of(other) == language]
    others.sort(key=lambda other: (-_shared_folders(other, path), other))
    texts = (index.text(other) for other in others[: 4 * _MAX_FILES])
    return [text for text in texts if len(text) <= _MAX_CHARACTERS][:_MAX_FILES]


def _shared_folders(path: str, other: str) -> int:
    """Return how many folders two paths begin with alike."""
    return common_length(path.split("/")[:-1], other.split("/")[:-1])
