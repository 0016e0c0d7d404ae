"""What base and tuned model write at held-out places, beside what stands there. No model."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LineComparison:
    """A held-out place: the last lines `before` the cursor, what stands there, two answers."""

    path: str
    line: int
    before: str
    expected: str
    base: str
    tuned: str


@dataclass(frozen=True, kw_only=True)
class GeneratedDocstring:
    """A docstring that a model wrote. `rouge` is ROUGE-L, F1 over words (Lin 2004); `structure` is
    F1 over the parameters, returns and exceptions to be named; `sound` where all are and no other.
    """

    text: str
    rouge: float
    structure: float
    sound: bool


@dataclass(frozen=True, kw_only=True)
class DocstringComparison:
    """A held-out definition: the docstring that stands there, and those of two models."""

    path: str
    line: int
    name: str
    style: str
    expected: str
    base: GeneratedDocstring
    tuned: GeneratedDocstring


def is_exact(answer: str, expected: str) -> bool:
    """Return whether a completion is what stands there; spaces at the end do not count."""
    return answer.rstrip() == expected.rstrip()
