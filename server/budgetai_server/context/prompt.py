"""The prompt: the one format that is trained and served.

    <repo>name <file>path chunk … <file>current path
    <prefix><suffix>AFTER<middle>BEFORE▮

Stable first, volatile last: a typed character appends a token to BEFORE and nothing in front of
it changes, so nothing in front of it is evaluated again. The model goes on after BEFORE. The
usual order (BEFORE, AFTER, middle) would evaluate all of AFTER again at every key.

A base without fill-in-the-middle tokens takes the same order with its file separator in their
place; one without a separator takes BEFORE alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from budgetai_server.context import window
from budgetai_server.context.index import Index
from budgetai_server.context.languages import language_of
from budgetai_server.context.retrieve import Chunk, chunks
from budgetai_server.context.window import Limits

PROMPT_FORMAT = 1
"""Raised whenever the order of a prompt or its markers change; kept in adapters and GGUF files. How
much text is shown may differ from machine to machine."""

# Chunks are chosen from the text up to a line that moves in steps, or each key would move them.
_RETRIEVAL_STEP = 16


@dataclass(frozen=True)
class Snapshot:
    """A place in a document. `path` is relative to the repository; `cursor` counts characters."""

    repository: str
    path: str
    text: str
    cursor: int


@dataclass(frozen=True)
class Prompt:
    """The parts of a prompt as text, in the order in which the model reads them."""

    repository: str
    path: str
    chunks: tuple[Chunk, ...]
    after: str
    before: str


@dataclass(frozen=True)
class Markers:
    """Token ids of a vocabulary that separate the parts; None where it has no such token."""

    repository: int | None
    file: int | None
    prefix: int | None
    suffix: int | None
    middle: int | None
    end: int | None

    @property
    def fills_middle(self) -> bool:
        return None not in (self.prefix, self.suffix, self.middle)


# Names under which model families keep these tokens, the most usual first.
MARKER_NAMES: dict[str, tuple[str, ...]] = {
    "repository": ("<|repo_name|>", "<repo_name>", "<reponame>", "<|reponame|>"),
    "file": ("<|file_sep|>", "<file_sep>", "<|file_separator|>", "<filename>"),
    "prefix": ("<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<｜fim▁begin｜>", "▁<PRE>"),
    "suffix": ("<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<｜fim▁hole｜>", "▁<SUF>"),
    "middle": ("<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<｜fim▁end｜>", "▁<MID>"),
    "end": ("<|endoftext|>", "<｜end▁of▁sentence｜>", "<EOT>", "▁<EOT>", "</s>"),
}


def find_markers(
    id_of: Callable[[str], int | None], given: dict[str, int] | None = None
) -> Markers:
    """Look the markers up by name in a vocabulary. `given` ids, from metadata, come first."""
    given = given or {}

    def find(role: str) -> int | None:
        if role in given:
            return given[role]
        return next((i for name in MARKER_NAMES[role] if (i := id_of(name)) is not None), None)

    return Markers(**{role: find(role) for role in MARKER_NAMES})


def build(
    snapshot: Snapshot,
    index: Index | None = None,
    limits: Limits | None = None,
    last: Prompt | None = None,
) -> Prompt:
    """The prompt for a place. Depends on the arguments alone, and never raises on any text.

    `last` is an earlier prompt of the same session. Where the cursor has moved up by a few lines
    only, what it shows in front of BEFORE is shown again, so that it need not be evaluated again.
    """
    limits = limits or Limits()
    cursor = max(0, min(snapshot.cursor, len(snapshot.text)))
    before = window.before(snapshot.text, cursor, limits.before, limits.step)
    after = window.after(snapshot.text, cursor, limits.after)
    if last and _serves(last, snapshot, cursor, after):
        return replace(last, before=before)
    found: tuple[Chunk, ...] = ()
    if index is not None and limits.chunks and language_of(snapshot.path) is not None:
        named = _settled(before) + after
        found = chunks(index, snapshot.path, named, limits.chunks)
    return Prompt(snapshot.repository, snapshot.path, found, after, before)


def _serves(last: Prompt, snapshot: Snapshot, cursor: int, after: str) -> bool:
    """Whether what an earlier prompt shows in front of BEFORE does for a place above it."""
    return (
        last.path == snapshot.path
        and last.after != after
        and 2 * len(last.after) >= len(after)
        and window.near(snapshot.text, cursor, last.after)
    )


def _settled(before: str) -> str:
    """The part of BEFORE that typing does not change: up to a line number that is a multiple of
    a step, counted from the start of the window."""
    lines = before.split("\n")
    return "\n".join(lines[: len(lines) // _RETRIEVAL_STEP * _RETRIEVAL_STEP])


def encode(
    prompt: Prompt,
    markers: Markers,
    tokenize: Callable[[str], list[int]],
    *,
    beginning: tuple[int, ...] = (),
) -> tuple[list[int], list[int]]:
    """Token ids of everything in front of BEFORE, and of BEFORE.

    `tokenize` must treat text as text: a `<|fim_middle|>` in a file is no marker.
    `beginning` holds the tokens with which the vocabulary wants every text to begin.
    """
    head = list(beginning)
    if markers.file is not None:
        head += _shown_files(prompt, markers, tokenize)
        head += _around(prompt, markers, tokenize)
    elif markers.fills_middle:
        head += _around(prompt, markers, tokenize)
    return head, tokenize(prompt.before)


def _shown_files(
    prompt: Prompt, markers: Markers, tokenize: Callable[[str], list[int]]
) -> list[int]:
    ids: list[int] = []
    if markers.repository is not None:
        ids += [markers.repository, *tokenize(prompt.repository + "\n")]
    for chunk in prompt.chunks:
        ids += [*_present(markers.file), *tokenize(f"{chunk.path}\n{chunk.text}")]
    return [*ids, *_present(markers.file), *tokenize(prompt.path + "\n")]


def _around(prompt: Prompt, markers: Markers, tokenize: Callable[[str], list[int]]) -> list[int]:
    after = tokenize(prompt.after) if prompt.after else []
    if markers.fills_middle:
        return [
            *_present(markers.prefix, markers.suffix),
            *after,
            *_present(markers.middle),
        ]
    return [*_present(markers.file), *after, *_present(markers.file)]


def _present(*ids: int | None) -> list[int]:
    return [marker for marker in ids if marker is not None]
