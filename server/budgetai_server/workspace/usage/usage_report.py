"""Recorded usage as a person reads it: what was shown, what became of it, and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass

from budgetai_core.evaluation.metrics import percentile
from budgetai_server.workspace.usage.store import EditRow, Row


@dataclass(frozen=True)
class Summary:
    """Counts over rows; latencies in milliseconds, None where nothing was shown. Of the accepted
    items `judged` could be looked for later, and `kept` of them were still there."""

    shown: int
    accepted: int
    partly_accepted: int
    dismissed: int
    judged: int
    kept: int
    latency_p50: float | None
    latency_p95: float | None


def summary(rows: Sequence[Row]) -> Summary:
    fates = [row.fate for row in rows]
    judged = [row.kept for row in rows if row.kept is not None]
    waits = [row.latency_ms for row in rows]
    return Summary(
        shown=len(rows),
        accepted=fates.count("accepted"),
        partly_accepted=fates.count("partly_accepted"),
        dismissed=fates.count("dismissed"),
        judged=len(judged),
        kept=sum(judged),
        latency_p50=percentile(waits, 0.5) if waits else None,
        latency_p95=percentile(waits, 0.95) if waits else None,
    )


@dataclass(frozen=True)
class EditsSummary:
    """Counts over next edits. What was neither taken nor dismissed was passed over."""

    shown: int
    accepted: int
    dismissed: int


def edits_summary(rows: Sequence[EditRow]) -> EditsSummary:
    fates = [row.fate for row in rows]
    return EditsSummary(len(rows), fates.count("accepted"), fates.count("dismissed"))


def by_language(rows: Sequence[Row]) -> dict[str, Summary]:
    """Return all rows, and those of each language, the most used first."""
    names = [row.language for row in rows]
    order = sorted(set(names), key=lambda name: (-names.count(name), name))
    parts = {name or "other": [row for row in rows if row.language == name] for name in order}
    return {"all": summary(rows)} | {name: summary(part) for name, part in parts.items()}


def table(rows: Sequence[Row]) -> str:
    head = f"{'language':12}  shown  accepted  in part  kept after 30 s  p50 ms  p95 ms"
    return "\n".join([head, *(_line(name, part) for name, part in by_language(rows).items())])


def edits_line(rows: Sequence[EditRow]) -> str:
    counts = edits_summary(rows)
    return (
        f"next edits: {counts.shown} shown, {counts.accepted} accepted, "
        f"{counts.dismissed} dismissed"
    )


def _line(name: str, part: Summary) -> str:
    kept = f"{part.kept} of {part.judged}"
    waits = f"{_number(part.latency_p50)}  {_number(part.latency_p95)}"
    share = f"{100 * part.accepted / part.shown:.0f}%" if part.shown else ""
    accepted = f"{part.accepted:4} {share:>4}"
    return (
        f"{name:12}  {part.shown:5}  {accepted:>8}  {part.partly_accepted:7}  {kept:>15}  {waits}"
    )


def _number(value: float | None) -> str:
    return f"{'-':>6}" if value is None else f"{value:6.0f}"
