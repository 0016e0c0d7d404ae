"""How likely a rule's place is the next one to change: features, and a logistic regression."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Indel

from budgetai_server.next_edit.edit_rules import WORD, Example, Rule
from budgetai_server.next_edit.places import RulePlace
from budgetai_server.next_edit.weights import WEIGHTS

_NAME = re.compile(r"[^\W\d]\w*")
_DEFINES = re.compile(
    r"\s*(?:(?:export|async|pub|static|default|public|private)\s+)*"
    r"(?:def|class|func|fn|function|import|from|type|interface|struct|enum|const|let|var)\b"
)
# Examples and passed places that are compared: the newest ones.
_COMPARED = 6
_SIMILAR = 0.6


@dataclass(frozen=True)
class Surroundings:
    """What stands around a place: its line, the tokens on both sides, the nearest first; whether it
    is code, a comment or a string; the kind of its node in the tree."""

    line: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    kind: str = "code"
    node: str = ""

    @classmethod
    def of(
        cls, line: str, start: int, end: int, kind: str = "code", node: str = ""
    ) -> "Surroundings":
        example = Example(line, start, end, whole=False)
        return cls(line.strip(), example.left, example.right, kind, node)


@dataclass
class Evidence:
    """What is known of a rule: its examples, in which edits by number; how often it was taken where
    it was proposed, and passed over, and where."""

    examples: list[Surroundings] = field(default_factory=list)
    edits: list[int] = field(default_factory=list)
    wholes: int = 0
    taken: int = 0
    ignored: int = 0
    passed: list[Surroundings] = field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        """Whether something is proposed at all: what was done once is as often not done again, and
        what was only a part of two edits is no more likely."""
        edits = len(set(self.edits))
        return edits >= 3 or (edits >= 2 and self.wholes >= 1)


@dataclass(frozen=True)
class Candidate:
    """A place for a rule. `passed` are like places that the user has left as they are; `age` is how
    many edits ago the rule's last example was, `below` how many places follow in the document;
    `distance` lines lie between. Of another document: how many files have such places (`spread`).
    `left_behind` counts documents that the user has edited since, with places left in them."""

    rule: Rule
    evidence: Evidence
    document: str
    place: RulePlace
    around: Surroundings
    passed: Sequence[Surroundings]
    age: int
    below: int
    distance: int
    elsewhere: bool
    spread: int
    left_behind: int


def features(candidate: Candidate) -> dict[str, float]:
    """Return what the probability is made of; what is missing is 0."""
    rule, evidence, around = candidate.rule, candidate.evidence, candidate.around
    examples = evidence.examples[-_COMPARED:]
    words = WORD.findall(rule.old)
    edits, ignored = len(set(evidence.edits)), evidence.ignored
    passed = len(candidate.passed)
    old, new = rule.old.strip(), rule.new.strip()
    is_name = bool(_NAME.fullmatch(rule.old) and _NAME.fullmatch(rule.new))
    likeness = max(_likeness(around, example) for example in examples)
    passed_likeness = max((_likeness(around, p) for p in candidate.passed[-_COMPARED:]), default=0)
    left = max(_agreeing(around.left, example.left) for example in examples)
    right = max(_agreeing(around.right, example.right) for example in examples)
    values: dict[str, float] = {
        f"kind {rule.kind}{' in' if rule.kind == 'lines' and not old else ''}": 1,
        "three edits": edits >= 3,
        "five edits": edits >= 5,
        "several in an edit": len(evidence.examples) > edits,
        "whole": evidence.wholes >= 1,
        "whole twice": evidence.wholes >= 2,
        "characters": math.log1p(min(len(old), 80)),
        "words": math.log1p(min(len(words), 12)),
        "no word": not words,
        "longest word": min(max(map(len, words), default=0), 10) / 10,
        "new words": math.log1p(min(len(WORD.findall(new)), 12)),
        "name": is_name,
        "similar name": is_name and _are_similar(old, new),
        "passed": passed >= 1,
        "passed more than done": passed > edits,
        "passed to done": min(passed / edits, 4),
        "passed is liker": passed > 0 and passed_likeness >= likeness,
        "margin": likeness - passed_likeness if passed else 0,
        "age 1": candidate.age >= 1,
        "age 3": candidate.age >= 3,
        "ignored": ignored >= 1,
        "ignored to done": min(ignored / edits, 3),
        "taken": evidence.taken >= 1,
        "left": left / 4,
        "right": right / 4,
        "left 1": left >= 1,
        "right 1": right >= 1,
        "agreement": likeness,
        "same line": any(around.line == example.line for example in examples),
        "similar line": max(
            Indel.normalized_similarity(around.line, example.line) for example in examples
        ),
        "comment": around.kind in ("comment", "docstring"),
        "string": around.kind == "string",
        "elsewhere": candidate.elsewhere,
        "spread": math.log1p(min(candidate.spread, 50)),
        "left behind": candidate.left_behind >= 1,
        "below": math.log1p(min(candidate.below, 30)),
        "distance": 0 if candidate.elsewhere else math.log1p(max(candidate.distance, 0)) / 5,
        "defines": any(_DEFINES.match(example.line) for example in examples),
        "place defines": bool(_DEFINES.match(around.line)),
        "over lines": "\n" in rule.old,
        "to lines": "\n" in rule.new,
        "wraps": bool(rule.old) and rule.old in rule.new,
        "between both": candidate.place.agreement == 2,
    }
    if not rule.old:
        anchor = rule.left + rule.right
        values["anchor"] = math.log1p(len(anchor.strip()))
        values["anchor words"] = len(WORD.findall(anchor)) / 4
    return {name: float(value) for name, value in values.items() if value}


def probability(values: Mapping[str, float], weights: Mapping[str, float] = WEIGHTS) -> float:
    """Return the probability that a place with such features is changed so."""
    score = weights["bias"] + sum(weights.get(name, 0) * value for name, value in values.items())
    return 1 / (1 + math.exp(-score))


def _likeness(a: Surroundings, b: Surroundings) -> float:
    """Return how much of what stands on both sides agrees, from 0 to 1."""
    sides = _agreeing(a.left, b.left) + _agreeing(a.right, b.right)
    most = max(len(a.left), len(b.left)) + max(len(a.right), len(b.right))
    return sides / most if most else 1.0


def _agreeing(a: Sequence[str], b: Sequence[str]) -> int:
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count


def _are_similar(old: str, new: str) -> bool:
    a, b = (name.replace("_", "").casefold() for name in (old, new))
    return a in b or b in a or Indel.normalized_similarity(a, b) >= _SIMILAR
