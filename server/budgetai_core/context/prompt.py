"""The prompt: the one format that is trained and served.

    <repo>name <file>path chunk … <file>current path
    <prefix><suffix>AFTER<middle>BEFORE▮

Stable first, volatile last: a typed character appends a token to BEFORE and nothing in front of
it changes, so nothing in front of it is evaluated again. The model goes on after BEFORE. The
usual order (BEFORE, AFTER, middle) would evaluate all of AFTER again at every key.

A base without fill-in-the-middle tokens takes the same order with its file separator in their
place; one without a separator takes BEFORE alone.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from budgetai_core.context import window
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.retrieval import SOURCES, Chunk, Query, likeness, retrieve
from budgetai_core.context.window import WindowLimits

PROMPT_FORMAT = 1
"""Raised whenever the order of a prompt or its markers change; kept in adapters and GGUF files. How
much text is shown may differ from machine to machine."""

# Chunks are chosen anew when the cursor is so many lines from where they were chosen.
_RETRIEVAL_STEP = 12
# From this likeness of lines on, chunks are worth choosing anew for the line after the one that is
# typed. With twelve characters of a line typed they hold the next one at 51 of 399 lines; chosen on
# that line itself at 57, four lines above at 5. At 44 % of the places lines are so much alike, 42
# of the 51 among them.
_WORTH_ANEW = 1.2


@dataclass(frozen=True)
class Snapshot:
    """A place in a document. `path` is relative to the repository; `cursor` counts characters. Text
    in front of `start` is too far from the place to be shown around it. `declared` is the language
    an editor says the document is in, where that is another than its name says."""

    repository: str
    path: str
    text: str
    cursor: int
    start: int = 0
    declared: Language | None = None

    @property
    def language(self) -> Language | None:
        return self.declared or language_of(self.path)


@dataclass(frozen=True)
class Prompt:
    """The parts of a prompt as text, in the order in which the model reads them. `chosen_at` is
    the line for which the chunks were chosen, counted from 0; None where none were looked for."""

    repository: str
    path: str
    chunks: tuple[Chunk, ...]
    after: str
    before: str
    chosen_at: int | None = field(default=None, compare=False)


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

MARKER_KEYS = {
    "repository": "tokenizer.ggml.fim_rep_token_id",
    "file": "tokenizer.ggml.fim_sep_token_id",
    "prefix": "tokenizer.ggml.fim_pre_token_id",
    "suffix": "tokenizer.ggml.fim_suf_token_id",
    "middle": "tokenizer.ggml.fim_mid_token_id",
}
"""What the metadata of a GGUF file calls the ids of these tokens."""


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
    limits: WindowLimits | None = None,
    last: Prompt | None = None,
    sources: Collection[str] = SOURCES,
) -> Prompt:
    """Return the prompt for a place. Depends on the arguments alone, and never raises on any text.

    `last` is an earlier prompt of the same session. Within a few lines of its place its chunks are
    shown again, and where the cursor has moved up, the text after it too, so that it need not be
    evaluated again. `sources` are those of the chunks.
    """
    limits = limits or WindowLimits()
    cursor = max(0, min(snapshot.cursor, len(snapshot.text)))
    near = snapshot.text[min(snapshot.start, cursor) : cursor]
    before = window.before(near, len(near), limits.before, limits.step)
    after = window.after(snapshot.text, cursor, limits.after)
    if last and _serves(last, snapshot, cursor, after):
        return replace(last, before=before)
    line = snapshot.text.count("\n", 0, cursor)
    if last and _near(last, snapshot.path, line):
        return replace(last, after=after, before=before)
    prompt = Prompt(snapshot.repository, snapshot.path, (), after, before)
    if index is None or not limits.chunks:
        return prompt
    # Files may change meanwhile, on another thread.
    with index.lock:
        chunks = retrieve(index, _query(prompt, snapshot), limits.chunks, sources)
    return replace(prompt, chunks=chunks, chosen_at=line)


def choose_anew(
    snapshot: Snapshot, index: Index, limits: WindowLimits, last: Prompt
) -> Prompt | None:
    """Return the prompt for a place with chunks of its own, if those of an earlier prompt lack what
    goes on from lines much like the ones here; None where all of it is better kept."""
    if not limits.chunks:
        return None
    prompt = build(snapshot, index, limits)
    if prompt.chunks == last.chunks:
        return None
    with index.lock:
        worth_it = likeness(index, _query(prompt, snapshot)) >= _WORTH_ANEW
    return prompt if worth_it else None


def _query(prompt: Prompt, snapshot: Snapshot) -> Query:
    cursor = max(0, min(snapshot.cursor, len(snapshot.text)))
    language = snapshot.language
    return Query(prompt.path, prompt.before, prompt.after, snapshot.text, language, cursor)


def _near(last: Prompt, path: str, line: int) -> bool:
    """Return whether the chunks of an earlier prompt were chosen for a place near enough: with each
    other choice everything is evaluated anew."""
    chosen = last.chosen_at
    return last.path == path and chosen is not None and abs(line - chosen) < _RETRIEVAL_STEP


def _serves(last: Prompt, snapshot: Snapshot, cursor: int, after: str) -> bool:
    """Return whether what an earlier prompt shows in front of BEFORE does for a place above it."""
    return (
        last.path == snapshot.path
        and last.after != after
        and 2 * len(last.after) >= len(after)
        and window.near(snapshot.text, cursor, last.after)
    )


def encode(
    prompt: Prompt,
    markers: Markers,
    tokenize: Callable[[str], list[int]],
    *,
    beginning: tuple[int, ...] = (),
) -> tuple[list[int], list[int]]:
    """Return token ids of everything in front of BEFORE, and of BEFORE.

    `tokenize` must treat text as text: a `<|fim_middle|>` in a file is not a marker.
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
