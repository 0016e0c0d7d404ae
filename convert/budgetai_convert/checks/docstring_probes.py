"""Docstrings as masked spans: the place between the marks, and the first line that stood there."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, language_of
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.edit import insertion_point
from budgetai_core.docstrings.style import repository_style
from budgetai_core.docstrings.worth_learning import worth_learning
from budgetai_core.evaluation.spans import MaskedSpan

KIND = "docstring"


def mask_docstrings(
    files: Iterable[tuple[str, str]],
    count: int,
    seed: int,
    within: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> list[MaskedSpan]:
    """Return at most `count` masked spans in (path, text) files, drawn evenly over all docstrings
    that are worth learning from. The arguments are those of `spans.mask_spans`."""
    spans = [*chain.from_iterable(_of_file(*file, within or {}) for file in sorted(files))]
    return random.Random(seed).sample(spans, min(count, len(spans)))


def _of_file(
    path: str, text: str, within: Mapping[str, Sequence[tuple[int, int]]]
) -> Iterator[MaskedSpan]:
    language = language_of(path)
    if language is None:
        return
    ranges = within.get(path, ((0, len(text)),))
    for documentable in documentables(ParsedDocument.of(text, language)):
        docstring = documentable.docstring
        if docstring is None or worth_learning(documentable, language):
            continue
        if any(low <= docstring.start and docstring.end <= high for low, high in ranges):
            yield from _masked(path, text, documentable, language)


def _masked(
    path: str, text: str, documentable: Documentable, language: Language
) -> Iterator[MaskedSpan]:
    """Yield the span as this docstring itself is written; none where its marks are of another
    kind."""
    place = insertion_point(text, documentable, repository_style((documentable,), language))
    assert documentable.docstring is not None
    whole = text[documentable.docstring.start : documentable.docstring.end]
    if not whole.startswith(place.opening):
        return
    line = whole.removeprefix(place.opening).partition("\n")[0]
    missing = line.removesuffix(place.closing.strip()).rstrip() if place.closing.strip() else line
    if missing:
        yield MaskedSpan(
            path, place.text[: place.cursor], missing, place.text[place.cursor :], KIND
        )
