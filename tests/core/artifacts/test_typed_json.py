"""JSON as records: what is read, and which key is named when it cannot be."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from budgetai_core.artifacts.typed_json import structured


@dataclass(frozen=True)
class Part:
    """A record inside another."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Whole:
    """One of each kind of value."""

    count: int
    part: Part
    loss: float | None = None
    parts: tuple[Part, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    kind: Literal["a", "b"] = "a"
    done: bool = False


LEAST: dict[str, Any] = {"count": 3, "part": {"name": "x"}}


def test_unknown_keys_are_passed_over_and_missing_ones_have_defaults() -> None:
    """At every depth: of a newer version, and of an older one."""
    assert structured(Whole, LEAST) == Whole(count=3, part=Part("x"))
    newer = {"count": 3, "part": {"name": "x", "colour": 1}, "colour": 2}
    assert structured(Whole, newer) == Whole(count=3, part=Part("x"))


def test_values_are_of_the_types_that_are_declared() -> None:
    whole = structured(
        Whole,
        LEAST
        | {"loss": 2, "parts": [{"name": "y"}], "counts": {"k": 1}, "kind": "b", "done": True},
    )
    assert (whole.loss, type(whole.loss)) == (2.0, float)
    assert (whole.parts, whole.counts, whole.kind) == ((Part("y"),), {"k": 1}, "b")
    assert structured(Whole, LEAST | {"loss": None}).loss is None
    assert structured(Whole, LEAST | {"loss": "-inf"}).loss == float("-inf")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": True}, "count cannot be true"),
        ({"count": "3"}, 'count cannot be "3"'),
        ({"count": 3.5}, "count cannot be 3.5"),
        ({"part": {}}, "part.name is missing"),
        ({"part": "x"}, 'part cannot be "x"'),
        ({"part": {"name": 1}}, "part.name cannot be 1"),
        ({"loss": "much"}, 'loss cannot be "much"'),
        ({"loss": 10**400}, "loss cannot be 1000"),
        ({"parts": {"name": "x"}}, 'parts cannot be {"name": "x"}'),
        ({"parts": [{"name": "x"}, 3]}, "parts[1] cannot be 3"),
        ({"counts": []}, "counts cannot be []"),
        ({"counts": {"k": "many"}}, "counts['k'] cannot be \"many\""),
        ({"kind": "c"}, 'kind cannot be "c": write a or b'),
        ({"kind": []}, "kind cannot be []: write a or b"),
        ({"done": 1}, "done cannot be 1"),
        ({"count": "x" * 999}, "..."),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_first_key_that_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        structured(Whole, LEAST | change)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("values", [None, [], 3, "text"])
def test_what_is_no_object(values: object) -> None:
    with pytest.raises(ValueError, match=r"^cannot be "):
        structured(Whole, values)
