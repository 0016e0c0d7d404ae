"""What a file says of the texts that it is checked on, each text read once.

A text is a prompt. What the file answers to it is set against torch; where the line that really
follows is known, what the file says of that line is set against the 16-bit file. Both go on from
the same prompt, which is most of the work.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from budgetai_convert.checks.code_probes import Probe
from budgetai_convert.checks.reference import GreedyAnswer
from budgetai_core.llama.scoring import Logits, ScoringModel


@dataclass(frozen=True)
class CheckText:
    """A prompt, what follows whose tokens is rated from the one at `first` on. `line` are the
    tokens of the line that really comes next, but the last, and None where it is not asked for;
    with an `answer` the file is asked how it would go on itself."""

    prompt: tuple[int, ...]
    first: int = 0
    line: tuple[int, ...] | None = None
    answer: bool = True

    @classmethod
    def of(cls, probe: Probe, *, answer: bool) -> "CheckText":
        """Return a held-out line as a text."""
        prompt, line = probe.tokens[: probe.target], probe.tokens[probe.target : -1]
        return cls(prompt, probe.first - 1, line, answer)

    @property
    def length(self) -> int:
        """Return the number of tokens with the real line."""
        return len(self.prompt) + len(self.line or ())

    @property
    def rated(self) -> int:
        """Return the number of the prompt's tokens that are rated."""
        return len(self.prompt) - self.first


@dataclass(frozen=True)
class Reading:
    """Logits (tokens, vocabulary) of what follows the rated tokens of a prompt and of an answer to
    it; and of what follows the tokens of the line that is really there."""

    answered: Logits
    line: Logits
    rated: int

    @property
    def real(self) -> Logits:
        """Return the logits (tokens, vocabulary) that rate the prompt and the real line."""
        return np.concatenate([self.answered[: self.rated], self.line])


def generate(
    native: ScoringModel,
    texts: Sequence[CheckText],
    count: int,
    path: Path,
    tick: Callable[[], None] = lambda: None,
) -> tuple[list[GreedyAnswer], list[Reading]]:
    """Return greedy answers of `count` tokens to the texts that ask for one, and what was read of
    all texts; the logits lie in a file at `path`. `tick` is told of each text twice."""
    rows = [text.rated + count * text.answer + len(text.line or ()) for text in texts]
    starts = np.cumsum([0, *rows])
    answers: dict[int, list[int]] = {n: [] for n, text in enumerate(texts) if text.answer}
    longest = max(max(text.length, len(text.prompt) + count) for text in texts)
    width = 4 * native.size
    with path.open("wb") as file, native.side_by_side(len(texts), longest) as sequences:

        def keep(number: int, row: int, logits: Logits) -> None:
            file.seek((int(starts[number]) + row) * width)
            file.write(np.ascontiguousarray(logits).data)

        best: dict[int, int] = {}
        for number, text in enumerate(texts):
            logits = sequences.read(number, text.prompt, text.first)
            keep(number, 0, logits)
            best[number] = int(logits[-1].argmax())
            tick()
        for step in range(count if answers else 0):
            for number, answer in answers.items():
                answer.append(best[number])
            logits = sequences.append({number: best[number] for number in answers})
            for number, row in zip(answers, logits, strict=True):
                keep(number, texts[number].rated + step, row)
                best[number] = int(row.argmax())
        for number, text in enumerate(texts):
            sequences.cut(number, len(text.prompt))
            keep(number, text.rated + count * text.answer, sequences.read(number, text.line or ()))
            tick()
    stored = np.memmap(path, np.float32, "r", shape=(int(starts[-1]), native.size))
    readings = []
    for start, text in zip(starts, texts, strict=False):
        middle = start + text.rated + count * text.answer
        line = stored[middle : middle + len(text.line or ())]
        readings.append(Reading(stored[start:middle], line, text.rated))
    return [
        GreedyAnswer((*texts[n].prompt, *answer), len(texts[n].prompt), texts[n].first)
        for n, answer in answers.items()
    ], readings


def read(
    native: ScoringModel, texts: Sequence[CheckText], answers: Sequence[GreedyAnswer]
) -> Iterator[Reading]:
    """Yield what another file says of the same texts and of the answers that were given to them, in
    the order of the texts that ask for one."""
    remaining = iter(answers)
    given = [next(remaining).tokens[len(t.prompt) :] if t.answer else () for t in texts]
    longest = max(
        max(text.length, len(text.prompt) + len(answer))
        for text, answer in zip(texts, given, strict=True)
    )
    with native.side_by_side(1, longest) as sequences:
        for text, answer in zip(texts, given, strict=True):
            sequences.cut(0, 0)
            asked = sequences.read(0, text.prompt, text.first)
            answered = np.concatenate([asked, sequences.read(0, answer)]) if answer else asked
            sequences.cut(0, len(text.prompt))
            yield Reading(answered, sequences.read(0, text.line or ()), text.rated)
