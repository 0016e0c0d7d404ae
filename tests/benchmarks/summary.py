"""Numbers from the rows of a replay, and their table.

A superseded request took at least as long as it was waited for; percentiles take it with that
time, and `bound` says where the true one may be higher. Exact match counts requests of the same
line several times, so its interval is a little too narrow; `line_start` has one request a line.
"""

import math
from collections.abc import Callable, Sequence
from statistics import mean, median
from typing import Any

from memory import Memory
from replay import Request, TypedLine
from rich.table import Table
from side import Cost

from budgetai_core.evaluation.metrics import by_cluster, percentile, wilson

_KINDS: dict[str, Callable[[Request], bool]] = {
    "all": lambda row: True,
    "cold": lambda row: row.cold,
    "warm": lambda row: not row.cold and not row.typed_through,
    "typed_through": lambda row: row.typed_through,
}


def summary(
    rows: Sequence[Request],
    lines: Sequence[TypedLine],
    total: Cost,
    keys: int,
    highest: Memory | None,
) -> dict[str, Any]:
    """One side. `total` has the background's work in it, the rows have not."""
    answered = [row for row in rows if not row.superseded]
    return {
        "requests": len(rows),
        "superseded": len(rows) - len(answered),
        "answered_in_time": _share(len(answered), len(rows)),
        "shown": _share(sum(row.shown for row in rows), len(rows)),
        "exact": _share(sum(row.exact for row in rows), len(rows)),
        "exact_of_answered": _share(sum(row.exact for row in answered), len(answered)),
        "exact_line_start": _exact([row for row in rows if row.line_start]),
        "accepted": sum(row.accepted for row in rows),
        "latency_ms": {
            kind: latency([row for row in rows if belongs(row)]) for kind, belongs in _KINDS.items()
        },
        "evaluated_per_request": _middle([row.cost.evaluated for row in answered]),
        "evaluated_per_model_answer": _middle(
            [row.cost.evaluated for row in answered if not row.cost.cached]
        ),
        "own_ms": _percentiles([row.cost.own_ms for row in answered]),
        "cached_requests": sum(row.cost.cached or 0 for row in answered),
        "keystrokes_saved": _saved(lines),
        "keys": keys,
        "evaluated_per_key": _ratio(total.evaluated, keys),
        "decode_tokens_per_second": _ratio(total.answer_tokens, total.answer_seconds),
        "total": vars(total),
        "memory_mib": vars(highest) if highest else None,
    }


def latency(rows: Sequence[Request]) -> dict[str, Any]:
    """p50 and p95 in ms, each with whether it is only a lower bound."""
    found: dict[str, Any] = {
        "count": len(rows),
        "superseded": sum(row.superseded for row in rows),
    }
    times = [row.latency_ms for row in rows]
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        value = percentile(times, share)
        bound = any(row.superseded and row.latency_ms <= value for row in rows)
        found[name] = {"ms": _finite(value), "bound": bound}
    return found


def ratios(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """Ours over the peer's; `bound` says that one of the two is a lower bound."""
    return {
        kind: {
            name: _ratio_of(ours["latency_ms"][kind][name], peer["latency_ms"][kind][name])
            for name in ("p50", "p95")
        }
        for kind in _KINDS
    }


def _ratio_of(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    bounds = {"ours_is_bound": ours["bound"], "peer_is_bound": peer["bound"]}
    return {"ratio": _ratio(ours["ms"], peer["ms"])} | bounds


def _saved(lines: Sequence[TypedLine]) -> dict[str, Any]:
    """The share of characters that took no key, with an interval that resamples clusters."""
    characters = [line.characters for line in lines]
    share = by_cluster(
        [line.saved / line.characters for line in lines], _clusters(lines), characters
    )
    interval = {"share": share.mean, "low": share.low, "high": share.high}
    return {"of": len(lines)} | {k: _finite(v, 4) for k, v in interval.items()}


def saved_more(ours: Sequence[TypedLine], peer: Sequence[TypedLine]) -> dict[str, Any]:
    """The difference in keystrokes saved, line by line."""
    pairs = list(zip(ours, peer, strict=True))
    more = by_cluster(
        [(our.saved - their.saved) / our.characters for our, their in pairs],
        _clusters(ours),
        [our.characters for our in ours],
    )
    return {k: _finite(v, 4) for k, v in vars(more).items()}


def _clusters(lines: Sequence[TypedLine]) -> list[str]:
    return [line.cluster for line in lines]


def _share(count: int, of: int) -> dict[str, Any]:
    score = wilson(count, of)
    interval = {"share": score.mean, "low": score.low, "high": score.high}
    return {"count": count, "of": of} | {k: _finite(v, 4) for k, v in interval.items()}


def _exact(rows: Sequence[Request]) -> dict[str, Any]:
    return _share(sum(row.exact for row in rows), len(rows))


def _middle(values: Sequence[int | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {
        "median": median(known) if known else None,
        "mean": round(mean(known), 1) if known else None,
        "p95": percentile(known, 0.95) if known else None,
    }


def _percentiles(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {
        "p50": _finite(percentile(known, 0.5)),
        "p95": _finite(percentile(known, 0.95)),
    }


def _finite(value: float, digits: int = 2) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _ratio(a: float | None, b: float | None) -> float | None:
    return round(a / b, 4) if a is not None and b else None


def table(sides: dict[str, dict[str, Any]]) -> Table:
    """A column for each side."""
    shown = Table(title="typing replay", title_justify="left")
    shown.add_column("")
    for name in sides:
        shown.add_column(name, justify="right")
    for label, cell in _ROWS:
        shown.add_row(label, *(cell(numbers) for numbers in sides.values()))
    return shown


def _latency_cell(kind: str) -> Callable[[dict[str, Any]], str]:
    def cell(numbers: dict[str, Any]) -> str:
        found = numbers["latency_ms"][kind]
        values = [
            ("≥ " if found[p]["bound"] else "") + _text(found[p]["ms"]) for p in ("p50", "p95")
        ]
        return f"{' / '.join(values)}  (n={found['count']}, {found['superseded']} superseded)"

    return cell


def _share_cell(name: str) -> Callable[[dict[str, Any]], str]:
    def cell(numbers: dict[str, Any]) -> str:
        found = numbers[name]
        ends = f"[{_text(found['low'], 3)}, {_text(found['high'], 3)}]"
        return f"{_text(found['share'], 3)} {ends} of {found['of']}"

    return cell


def _text(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _memory_cell(numbers: dict[str, Any]) -> str:
    found = numbers["memory_mib"]
    return f"{found['peak']:.0f} / {found['anonymous']:.0f}" if found else "-"


_ROWS: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
    *((f"latency {kind.replace('_', ' ')}, p50 / p95 ms", _latency_cell(kind)) for kind in _KINDS),
    ("answered before the next key", _share_cell("answered_in_time")),
    ("something shown", _share_cell("shown")),
    ("exact line", _share_cell("exact")),
    ("exact line, of the answered", _share_cell("exact_of_answered")),
    ("exact line, at line starts", _share_cell("exact_line_start")),
    ("keystrokes saved", _share_cell("keystrokes_saved")),
    ("accepted offers", lambda numbers: str(numbers["accepted"])),
    (
        "prompt tokens evaluated a request, median",
        lambda n: _text(n["evaluated_per_request"]["median"], 0),
    ),
    (
        "the same, where no cache had the answer",
        lambda n: _text(n["evaluated_per_model_answer"]["median"], 0),
    ),
    ("evaluated a key, background included", lambda n: _text(n["evaluated_per_key"])),
    ("decode tokens/s", lambda n: _text(n["decode_tokens_per_second"])),
    ("own time p95 ms", lambda n: _text(n["own_ms"]["p95"])),
    ("peak memory / without files, MiB", _memory_cell),
]
