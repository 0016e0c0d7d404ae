"""The pictures of the page, drawn with matplotlib. Nothing here knows of HTML."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from budgetai_training.hyperparameters.chosen import RateTry
from budgetai_training.hyperparameters.rank_selection import RankTry
from budgetai_training.report.number_format import change, duration, measured, rate, short
from budgetai_training.report.schema import Group, Point
from budgetai_training.report.summary import few, trend
from budgetai_training.report.svg import COLOURS, STAGE_COLOURS, picture
from budgetai_training.time_budget import Stage

# More points than this cannot be text apart.
MAX_POINTS = 700
LANGUAGES_SHOWN = 12
ROW = 28

_TREND_COLOURS = {"better": "better", "worse": "worse", "same": "base", "unknown": "base"}

Floats = NDArray[np.float64]


def curve(training: Sequence[Point], validation: Sequence[Point]) -> str:
    """Return loss against time: every step faint, their running mean, validation; the rate
    behind."""
    steps = [point for point in training if measured(point.loss)]
    checks = [point for point in validation if measured(point.loss)]
    if not steps and not checks:
        return ""
    unit, word = _time_unit(max(point.seconds for point in (*steps, *checks)))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set(xlabel=word, ylabel="nats per token")
        if steps:
            _training(axes, steps, unit)
        if checks:
            x, y = _columns(checks, unit)
            axes.plot(x, y, "o-", color=COLOURS["validation"], markersize=5, label="validation")
        axes.set_ylim(*_limits([p.loss for p in steps], [p.loss for p in checks]))
        _rates(axes, steps, unit)
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.2, columnspacing=1.2)

    return picture("curve", _curve_label(steps, checks), 320, draw)


def held_out(groups: Sequence[Group]) -> str:
    """Return loss before and after, a row for each group: hollow the base, filled the tuned
    model."""
    rows = _rows(groups)
    if not rows:
        return ""
    # A row of air between all, the languages, the styles and the spans.
    spacers = accumulate(int(a.by != b.by) for a, b in zip(rows, [rows[0], *rows], strict=False))
    places = [number + 0.5 * spacer for number, spacer in enumerate(spacers)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set(xlabel="nats per token, less is better", ylim=(places[-1] + 0.7, -0.7))
        axes.margins(x=0.08)
        axes.set_yticks(places, [_row_label(group) for group in rows], color=COLOURS["ink"])
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")
        for place, group in zip(places, rows, strict=True):
            _dumbbell(axes, place, group)

    return picture("held-out", _groups_label(rows), ROW * (places[-1] + 1.4) + 40, draw)


def rates(tries: Sequence[RateTry]) -> str:
    """Return loss against the learning rate."""
    points = [(t.rate, t.loss, t.chosen) for t in tries if measured(t.loss)]
    return _tries("rates", "learning rate", [(rate(x), y, c) for x, y, c in points])


def ranks(tries: Sequence[RankTry]) -> str:
    """Return loss against the rank."""
    points = [(t.rank, t.loss, t.chosen) for t in tries if measured(t.loss)]
    return _tries("ranks", "rank", [(str(x), y, c) for x, y, c in points])


def stages(parts: Sequence[Stage], budget: float) -> str:
    """Return one bar of all the time, with a mark where the budget ends."""
    spent = sum(stage.seconds for stage in parts)
    unit, word = _time_unit(max(spent, budget))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        starts = accumulate((stage.seconds / unit for stage in parts), initial=0.0)
        for number, (start, stage) in enumerate(zip(starts, parts, strict=False)):
            colour = COLOURS[f"stage-{number % STAGE_COLOURS}"]
            axes.barh(0, stage.seconds / unit, left=start, color=colour, edgecolor=COLOURS["paper"])
        axes.axvline(budget / unit, color=COLOURS["ink"], linestyle="--", linewidth=1.2)
        axes.set(xlabel=word, yticks=[], xlim=(0, max(spent, budget) / unit * 1.005))
        axes.spines["left"].set_visible(False)

    text = ", ".join(f"{stage.name} {duration(stage.seconds)}" for stage in parts)
    return picture("stages", f"Time by stage: {text}", 92, draw) if spent > 0 else ""


def _training(axes: Axes, steps: Sequence[Point], unit: float) -> None:
    x, y = _columns(steps, unit)
    window = len(y) // 20
    every = -(-len(y) // MAX_POINTS)
    colour = COLOURS["training"]
    if window > 1:
        axes.plot(x[::every], y[::every], color=colour, alpha=0.4, linewidth=0.8)
    line = "o" if len(y) == 1 else "-"
    smooth = _running_mean(y, window)[::every]
    axes.plot(x[::every], smooth, line, color=colour, linewidth=2, label="training")


def _rates(axes: Axes, steps: Sequence[Point], unit: float) -> None:
    known = [(point.seconds / unit, point.rate) for point in steps if point.rate is not None]
    if len(known) < 2:
        return
    behind = axes.twinx()
    axes.set_zorder(behind.get_zorder() + 1)
    every = -(-len(known) // MAX_POINTS)
    x, y = np.array(known[::every]).T
    behind.plot(x, y, ":", color=COLOURS["muted"], linewidth=1.2, label="learning rate")
    behind.set_ylim(0, max(float(y.max()), 1e-12) * 1.08)
    behind.grid(False)
    behind.yaxis.set_major_locator(MaxNLocator(3))
    behind.yaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))


def _columns(points: Sequence[Point], unit: float) -> tuple[Floats, Floats]:
    return (
        np.array([point.seconds / unit for point in points]),
        np.array([point.loss for point in points]),
    )


def _running_mean(values: Floats, window: int) -> Floats:
    """Return the mean of the `window` values around each; of fewer at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low = np.maximum(places - window // 2, 0)
    high = np.minimum(places + window // 2 + 1, len(values))
    means: Floats = (sums[high] - sums[low]) / (high - low)
    return means


def _limits(training: Sequence[float], validation: Sequence[float]) -> tuple[float, float]:
    """Return all of validation and nearly all of training: one wild step must not flatten the
    rest."""
    ends = [*validation, *(np.percentile(training, [1, 99]) if training else ())]
    low, high = float(min(ends)), float(max(ends))
    margin = 0.08 * (high - low) or 0.1
    return low - margin, high + margin


def _curve_label(steps: Sequence[Point], checks: Sequence[Point]) -> str:
    text = [
        f"{name} loss from {points[0].loss:.3f} to {points[-1].loss:.3f}"
        for name, points in (("training", steps), ("validation", checks))
        if points
    ]
    return f"Loss against time: {', '.join(text)}"


def _rows(groups: Sequence[Group]) -> list[Group]:
    """Return the groups with a loss; of the languages the largest."""
    known = [group for group in groups if measured(group.before) or measured(group.after)]

    def of(by: str) -> list[Group]:
        return sorted((g for g in known if g.by == by), key=lambda g: -g.tokens)

    return [*of("all"), *of("language")[:LANGUAGES_SHOWN], *of("style"), *of("hole")]


def _row_label(group: Group) -> str:
    name = group.name if len(group.name) <= 18 else f"{group.name[:17]}…"
    return f"{name} · {short(group.tokens)}{'*' if few(group) else ''}"


def _dumbbell(axes: Axes, place: float, group: Group) -> None:
    before, after = group.before, group.after
    colour = COLOURS[_TREND_COLOURS[trend(group)]]
    if measured(before) and measured(after):
        strength = 0.5 if few(group) else 1.0
        axes.plot([before, after], [place, place], color=colour, linewidth=3, alpha=strength)
        beside = axes.get_yaxis_transform()
        text = change(before, after)
        axes.text(1.02, place, text, transform=beside, verticalalignment="center", color=colour)
    if measured(before):
        ring = axes.plot(before, place, "o", color=COLOURS["base"], markersize=8)[0]
        ring.set(markerfacecolor=COLOURS["paper"], markeredgewidth=2)
    if measured(after):
        axes.plot(after, place, "o", color=colour, markersize=9)


def _groups_label(rows: Sequence[Group]) -> str:
    text = [
        f"{group.name} {group.before:.3f} to {group.after:.3f}"
        for group in rows
        if measured(group.before) and measured(group.after)
    ]
    return f"Held-out loss before and after: {', '.join(text)}"


def _tries(name: str, what: str, tries: Sequence[tuple[str, float, bool]]) -> str:
    """Return losses over evenly placed names, the chosen one marked; one alone is not a picture."""
    if len(tries) < 2:
        return ""
    losses = [loss for _, loss, _ in tries]
    # Beside one that diverged the others would be a flat line: it is drawn at the edge.
    top = min(losses) + max(0.5, 4 * (float(np.median(losses)) - min(losses)))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set(xlabel=what, ylabel="nats per token")
        axes.plot(range(len(losses)), np.minimum(losses, top), "o-", color=COLOURS["base"])
        for number, (_, loss, chosen) in enumerate(tries):
            if loss > top:
                axes.plot(number, top, "^", color=COLOURS["worse"], markersize=10)
            if chosen:
                axes.plot(number, loss, "o", color=COLOURS["better"], markersize=11)
        axes.set_xticks(range(len(losses)), [text for text, _, _ in tries])
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.margins(0.08, 0.2)

    text = ", ".join(f"{text}: {loss:.3f}" for text, loss, _ in tries)
    return picture(name, f"Loss by {what}: {text}", 190, draw)


def _time_unit(seconds: float) -> tuple[float, str]:
    if seconds >= 3 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if seconds >= 180 else (1.0, "seconds")
