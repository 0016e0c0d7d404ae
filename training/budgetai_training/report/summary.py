"""The one sentence a reader came for: did the run help, and what to do next."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from budgetai_training.evaluation.comparisons import DocstringComparison, LineComparison, is_exact
from budgetai_training.report.number_format import loss, measured, percent
from budgetai_training.report.schema import Forgetting, Group, Report

# Less than this share of the loss is called no change.
SAME = 0.005
# Loss over fewer tokens than this says little: one unusual line moves it visibly.
FEW_TOKENS = 500


Trend = Literal["better", "same", "worse", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """`trend` chooses the colour; `overall` is the loss of all held-out code, if measured."""

    trend: Trend
    title: str
    text: str
    overall: Group | None


def few(group: Group) -> bool:
    """Return whether a difference in this group may well be chance."""
    return group.tokens < FEW_TOKENS


def verdict(report: Report) -> Verdict:
    overall = next((group for group in report.held_out if group.by == "all"), None)
    before, after = (overall.before, overall.after) if overall else (None, None)
    if overall is None or before is None or after is None:
        return Verdict("unknown", *_unmeasured(before, after), overall)
    if not (measured(before) and measured(after)):
        return Verdict("worse", *_DIVERGED, overall)
    change = trend(overall)
    title = _TITLES[change].format(abs(after - before), percent(before, after))
    text = _TEXTS[change].format(what=_WHAT.get(report.task, "code"))
    return Verdict(change, title, text + (_UNSURE if few(overall) else ""), overall)


def trend(losses: Group | Forgetting) -> Trend:
    """Return what became of a loss, in a word."""
    before, after = losses.before, losses.after
    if before is None or after is None:
        return "unknown"
    if abs(after - before) < SAME * abs(before):
        return "same"
    return "better" if after < before else "worse"


def exactly(completions: Sequence[LineComparison], model: Literal["base", "tuned"]) -> str:
    """Return how many completions of a model are right, as 3 of 10."""
    hits = sum(is_exact(getattr(line, model), line.expected) for line in completions)
    return f"{hits} of {len(completions)}"


def drafted(drafts: Sequence[DocstringComparison], model: Literal["base", "tuned"]) -> str:
    """Return the mean scores of the docstrings that a model wrote."""
    written = [getattr(draft, model) for draft in drafts]
    rouge = fmean(draft.rouge for draft in written)
    structure = fmean(draft.structure for draft in written)
    sound = sum(draft.sound for draft in written)
    return f"ROUGE-L {rouge:.2f}, structure {structure:.2f}, sound {sound} of {len(written)}"


def next_command(report: Report) -> str:
    """Return what turns this adapter into a model file, to be run in the folder of the
    repository."""
    # The newest adapter is found without a name; one written elsewhere is not.
    out = report.options.get("out", "")
    return shlex.join(["budgetai-convert", *([out] if out else [])])


def _unmeasured(before: float | None, after: float | None) -> tuple[str, str]:
    if before is None and after is None:
        return (
            "Held-out loss was not measured",
            "Nothing here says whether the tuned model is better than the base. A repository "
            "needs at least two different files for one to be held out.",
        )
    when, other = ("after", "before") if before is None else ("before", "after")
    known = loss(after if before is None else before)
    return (
        f"Held-out loss was not measured {other} training",
        f"It was {known} nats per token {when}. Without the other value nothing says whether "
        "the tuned model is better than the base.",
    )


_TITLES = {
    "better": "Held-out loss fell by {:.3f} nats per token ({})",
    "same": "Held-out loss hardly changed ({:.3f} nats per token, {})",
    "worse": "Held-out loss rose by {:.3f} nats per token ({})",
}
_TEXTS = {
    "better": "On files it was not shown, the tuned model predicts the {what} better than the "
    "base.",
    "same": "On files it was not shown, the tuned model is as good as the base. "
    "A longer --budget or a larger base may do more.",
    "worse": "On files it was not shown, the tuned model is worse than the base. Better keep the "
    "base; a smaller --learning-rate, a longer --budget or more {what} may help.",
}
# What a task is evaluated on.
_WHAT = {"docstring": "docstrings"}
_DIVERGED = (
    "Training diverged: held-out loss is not a number",
    "This adapter is of no use. Try a smaller --learning-rate.",
)
_UNSURE = f" It was measured on fewer than {FEW_TOKENS} tokens, so this may be chance."
