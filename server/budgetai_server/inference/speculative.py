"""Drafts without a second model: what stood after the same tokens before, here or in the
repository, is proposed, and the model checks all of it in one evaluation.

Prompt lookup (Saxena 2023; as `lookup` decoding in llama.cpp) over the prompt and the answer, and
an n-gram table of the repository. Pure: token ids in, token ids out; the greedy answer does not
depend on any of it but for near ties, only its speed does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]

MAX_DRAFT_TOKENS = 15
"""A draft and the token before it fill a batch of 16."""

_GRAM = 3
_MAX_MATCH_TOKENS = 12
# Where nothing has been measured yet: two of three drafted tokens are right.
_PRIOR, _PRIOR_WEIGHT = 0.67, 8.0
_FORGET = 0.98
# Room for some hundred thousand lines at 16 bytes a token.
MAX_TABLE_TOKENS = 1_000_000


class Table:
    """All n-grams of the repository: an array of tokens and its positions sorted by hash."""

    def __init__(self, texts: Iterable[Sequence[int]] = ()) -> None:
        parts: list[Ids] = []
        room = MAX_TABLE_TOKENS
        for ids in texts:
            # A gap between files, so that no n-gram spans two of them.
            parts += [np.asarray(ids[:room], np.int32), np.full(_GRAM, -1, np.int32)]
            room -= len(ids)
            if room <= 0:
                break
        self._tokens: Ids = np.concatenate(parts) if parts else np.empty(0, np.int32)
        hashes = _hashes(self._tokens)
        self._order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._hashes = hashes[self._order]

    def after(self, context: Sequence[int]) -> tuple[int, list[int]]:
        """Return how many tokens before the best place agree with the context's end, and what
        follows there; (0, []) where there is none."""
        if len(context) < _GRAM or not len(self._hashes):
            return 0, []
        wanted = _hashes(np.asarray(context[-_GRAM:], np.int32))[0]
        low = int(np.searchsorted(self._hashes, wanted, "left"))
        high = int(np.searchsorted(self._hashes, wanted, "right"))
        best, place = 0, 0
        for start in self._order[low : min(high, low + 32)]:
            end = int(start) + _GRAM
            length = self._agreement(end, context)
            if length > best:
                best, place = length, end
        if best < _GRAM:
            return 0, []
        following = self._tokens[place : place + MAX_DRAFT_TOKENS].tolist()
        return best, following[: following.index(-1)] if -1 in following else following

    def _agreement(self, end: int, context: Sequence[int]) -> int:
        length = 0
        while length < min(end, len(context), _MAX_MATCH_TOKENS):
            if self._tokens[end - 1 - length] != context[-1 - length]:
                break
            length += 1
        return length


def _hashes(tokens: Ids) -> npt.NDArray[np.uint64]:
    """Return a hash of each run of three tokens; shorter input has none."""
    wide = tokens.astype(np.uint64)
    if len(wide) < _GRAM:
        return np.empty(0, np.uint64)
    first, second, third = wide[:-2], wide[1:-1], wide[2:]
    return (first * np.uint64(1_000_003) + second) * np.uint64(998_244_353) + third


class Lookup:
    """The n-grams of one prompt and of what is answered; the newest place of each counts."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = list(tokens)
        self._ends: dict[tuple[int, ...], int] = {}
        for end in range(_GRAM, len(self.tokens)):
            self._ends[tuple(self.tokens[end - _GRAM : end])] = end

    def append(self, token: int) -> None:
        end = len(self.tokens)
        if end >= _GRAM:
            self._ends[tuple(self.tokens[end - _GRAM :])] = end
        self.tokens.append(token)

    def after(self) -> tuple[int, list[int]]:
        """Return what Table.after does, for the end of the tokens themselves."""
        end = self._ends.get(tuple(self.tokens[-_GRAM:]))
        if end is None or end >= len(self.tokens):
            return 0, []
        length = _GRAM
        while length < min(end, _MAX_MATCH_TOKENS) and (
            self.tokens[end - 1 - length] == self.tokens[-1 - length]
        ):
            length += 1
        return length, self.tokens[end : end + MAX_DRAFT_TOKENS]


@dataclass(frozen=True)
class Draft:
    """Tokens that may follow; the first `length` of them are worth checking.

    `kind` says where they are from and how many tokens before them agree.
    """

    kind: tuple[str, int] = ("", 0)
    tokens: tuple[int, ...] = ()
    length: int = 0


class Drafter:
    """Proposes drafts, and learns from what became of them how long they should be.

    `cost(n)` is the time of evaluating n tokens at once, in any unit. On a CPU a batch of four
    costs two to three times a single token, so a doubtful draft is worse than none.
    """

    def __init__(self, cost: Callable[[int], float]) -> None:
        self.table = Table()
        self._cost = cost
        self._right: dict[tuple[str, int], float] = {}
        self._seen: dict[tuple[str, int], float] = {}

    def propose(self, lookup: Lookup, longest: int) -> Draft:
        """Return what followed the longest agreement, here rather than elsewhere in the
        repository."""
        near, near_draft = lookup.after()
        far, far_draft = self.table.after(lookup.tokens)
        kind, draft = (("near", near), near_draft) if near >= far else (("far", far), far_draft)
        length = self._length(kind, min(len(draft), longest)) if draft else 0
        return Draft(kind, tuple(draft), length)

    def _length(self, kind: tuple[str, int], longest: int) -> int:
        """Return the length that promises most tokens for the time: (1 - p^(k+1)) / (1 - p) for the
        cost of k + 1, where p is the measured share of right tokens (Leviathan et al. 2023, eq.
        1)."""
        p = min(self.acceptance(kind), 0.99)
        promise = [
            (1 - p ** (count + 1)) / (1 - p) / self._cost(count + 1) for count in range(longest + 1)
        ]
        return max(range(longest + 1), key=promise.__getitem__)

    def acceptance(self, kind: tuple[str, int]) -> float:
        """Return the share of drafted tokens of a kind that were right, newer ones counting
        more."""
        right = self._right.get(kind, 0.0) + _PRIOR * _PRIOR_WEIGHT
        return right / (self._seen.get(kind, 0.0) + _PRIOR_WEIGHT)

    def note(self, draft: Draft, model: Sequence[int]) -> None:
        """Take in what the model said in place of a draft's first tokens. One that was too
        doubtful to be checked is learned from as well, or it would stay doubtful for ever."""
        checked = list(zip(draft.tokens, model, strict=False))
        if not checked:
            return
        right = next((i for i, (a, b) in enumerate(checked) if a != b), len(checked))
        # Those after the first wrong one tell nothing.
        seen = min(right + 1, len(checked))
        self._right[draft.kind] = self._right.get(draft.kind, 0.0) * _FORGET + right
        self._seen[draft.kind] = self._seen.get(draft.kind, 0.0) * _FORGET + seen
