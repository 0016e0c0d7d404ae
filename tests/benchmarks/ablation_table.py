"""The table of an ablation: losses of each variation, and how far they are from the first one's.

A result is a run: `losses` by group, each with `before`, `after` and `tokens`; `general`, the
losses before and after on other code; `counts` as in a manifest; `seconds`.
"""

from collections.abc import Mapping, Sequence
from math import nan, sqrt
from statistics import mean, stdev
from typing import Any

ALL = "all"
HOLES = "holes"
UNTUNED = "untuned"

Result = Mapping[str, Any]


def table(found: Mapping[str, Sequence[Result]], untuned: Result | None = None) -> list[str]:
    """Rows of markdown. Results stand by variation, one for each seed, in the same order; the
    first variation is what the others are compared with. A difference of losses below zero is a
    gain. `untuned` has the lines that the base brings back, if any were asked for."""
    first = next(iter(found.values()))
    kinds = sorted(kind for kind in first[0]["losses"] if kind != ALL)
    heads = ["variation", "held-out loss", "Δ", "in holes", "Δ", *(f"Δ {kind}" for kind in kinds)]
    heads += ["other code", "exact line", "× untuned", "similarity", "steps (best)", "tokens"]
    rows = [heads, ["---"] * len(heads), _untuned(first, untuned, len(kinds))]
    rows += [_row(name, results, first, kinds, untuned) for name, results in found.items()]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _untuned(first: Sequence[Result], untuned: Result | None, kinds: int) -> list[str]:
    before = [_number(_mean(first, group, "before")) for group in (ALL, HOLES)]
    general = _mean_of(result["general"][0] for result in first if result["general"])
    lines = _lines([untuned], None) if untuned else ["", "", ""]
    return [
        "untuned",
        before[0],
        "",
        before[1],
        "",
        *[""] * kinds,
        _number(general),
        *lines,
        "",
        "",
    ]


def _lines(results: Sequence[Result], untuned: Result | None) -> list[str]:
    """Exact lines, how many times those of the base, and similarity; means over seeds."""
    if not all("lines" in result for result in results):
        return ["", "", ""]
    exact, similar = (
        mean(result["lines"][score]["mean"] for result in results)
        for score in ("exact", "similarity")
    )
    base = untuned["lines"]["exact"]["mean"] if untuned else 0.0
    return [f"{exact:.3f}", f"{exact / base:.2f}" if base else "", f"{similar:.3f}"]


def _row(
    name: str,
    results: Sequence[Result],
    first: Sequence[Result],
    kinds: Sequence[str],
    untuned: Result | None,
) -> list[str]:
    cells = [name]
    for group in (ALL, HOLES):
        cells.append(_number(_mean(results, group, "after")))
        cells.append("" if results is first else _difference(results, first, group, kinds))
    for kind in kinds:
        cells.append("" if results is first else _difference(results, first, kind, ()))
    counts = [result["counts"] for result in results]
    cells.append(_number(_mean_of(result["general"][1] for result in results if result["general"])))
    cells += _lines(results, untuned)
    cells.append(", ".join(f"{count['steps']} ({count['best_step']})" for count in counts))
    cells.append(f"{mean(count['tokens'] for count in counts):,.0f}")
    return cells


def _difference(
    results: Sequence[Result], first: Sequence[Result], group: str, kinds: Sequence[str]
) -> str:
    """The mean difference of pairs with the same seed, with its standard error where there is one;
    of one pair, over the `kinds` of holes if the group is all of them."""
    found = _differences(results, first, group)
    error = nan
    if len(found) > 1:
        error = stdev(found) / sqrt(len(found))
    elif group == HOLES and len(kinds) > 1:
        error = _error_over(kinds, results[0], first[0])
    middle = _mean_of(found)
    return f"{middle:+.4f}" + (f" ± {error:.4f}" if error == error else "")


def _differences(results: Sequence[Result], first: Sequence[Result], group: str) -> list[float]:
    pairs = zip(results, first, strict=True)
    return [_loss(one, group, "after") - _loss(other, group, "after") for one, other in pairs]


def _error_over(kinds: Sequence[str], result: Result, other: Result) -> float:
    """Of a mean weighted by tokens, from how much its parts differ (Cochran 1977, ratio means)."""
    weights: list[int] = [result["losses"][kind]["tokens"] for kind in kinds]
    parts = [_differences([result], [other], kind)[0] for kind in kinds]
    whole = sum(weights)
    middle = sum(w * part for w, part in zip(weights, parts, strict=True)) / whole
    squares = sum((w * (p - middle)) ** 2 for w, p in zip(weights, parts, strict=True))
    return sqrt(squares * len(kinds) / (len(kinds) - 1)) / whole


def _loss(result: Result, group: str, when: str) -> float:
    """In nats per token; not a number where it was not measured."""
    losses = result["losses"]
    names = [name for name in losses if name != ALL] if group == HOLES else [group]
    parts = [losses[name] for name in names if name in losses]
    tokens = sum(part["tokens"] for part in parts)
    if not tokens or any(part[when] is None for part in parts):
        return nan
    return float(sum(part[when] * part["tokens"] for part in parts) / tokens)


def _mean(results: Sequence[Result], group: str, when: str) -> float:
    return _mean_of(_loss(result, group, when) for result in results)


def _mean_of(values: Any) -> float:
    found = list(values)
    return float(mean(found)) if found else nan


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.4f}"
