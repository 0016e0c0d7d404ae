"""Whether a candidate may take the place of the model that is served: both are asked the same, what
neither has learned, and the candidate must not be worse.

As typed, at the newest commits, where both were kept away from them; else at lines cut out of files
that both held out. The prompts are the same for both, and no clock decides what counts: what else
this machine has to do must not. A slow machine is asked fewer lines.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from budgetai_core.artifacts.manifest import ModelManifest
from budgetai_core.context.window import WindowLimits
from budgetai_core.errors import RepositoryError
from budgetai_core.evaluation import gone_names, metrics, not_worse
from budgetai_core.evaluation.gone_names import NameHistory
from budgetai_core.evaluation.metrics import LineScores
from budgetai_core.evaluation.not_worse import (
    LINES,
    MIN_LINES,
    MIN_LINES_OF_BASE,
    Difference,
    StaleNames,
)
from budgetai_core.repository import git
from budgetai_core.repository.commits import Replay
from budgetai_core.repository.history import SINCE, resolve
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.evaluation import lines, typed
from budgetai_server.evaluation.candidates import manifest_of, served
from budgetai_server.evaluation.lines import LineEvalSet
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.evaluation.typed import Answered, TypedSet
from budgetai_server.inference.local import LocalEngine

AS_TYPED, CUT = "as typed", "cut"
# Of files of this share of each other's size the one is another type of what the other is, such as
# a base in 4 bits and what was made of it in 8.
_SAME_SIZE = 0.5
# Half of the lines may be in new files, which are asked about and not counted.
_DRAWN = 3 * LINES
_SECONDS = 300.0
"""Of both models, for what is asked beyond the fewest lines that may decide."""

Tick = Callable[[str, int, int], None]
"""Told the name of a model, how many of its lines are done, and how many there are."""
Enough = Callable[[int], bool]
"""Asked with the lines that are done."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked: lines as they were typed, or cut lines. `count` of them tell."""

    typed: TypedSet | None = None
    cut: LineEvalSet | None = None

    @property
    def count(self) -> int:
        if self.typed:
            return self.typed.count
        return len(self.cut.spans) if self.cut else 0

    @property
    def how(self) -> str:
        return AS_TYPED if self.typed else CUT

    def __str__(self) -> str:
        if self.typed:
            commits = len(self.typed.commits)
            return f"{self.count} lines of the newest {commits} commits with any, as typed"
        return f"{self.count} lines cut out of code that was held out"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two models said at the same questions."""

    questions: Questions
    differences: tuple[Difference, ...]
    names: StaleNames | None = None

    @property
    def worse(self) -> tuple[Difference | StaleNames, ...]:
        """Return what was shown to be worse of the second one."""
        looked: tuple[Difference | StaleNames, ...] = (
            *self.differences,
            *([self.names] if self.names else []),
        )
        return tuple(measure for measure in looked if measure.is_worse)


def enough(questions: Questions, *, for_base: bool) -> bool:
    """Return whether so many lines may decide; fewer are enough where nothing tuned is served."""
    return questions.count >= (MIN_LINES_OF_BASE if for_base else MIN_LINES)


def questions_for(root: Path, candidate: Path, rival: Path | None) -> Questions:
    """Return what neither of two models has learned of the repository at `root`: typed lines if
    they are enough, else cut ones, of which there may be none. A base, None, has learned nothing of
    it."""
    as_typed = Questions(typed=_typed_set(root, candidate, rival))
    if as_typed.count >= MIN_LINES:
        return as_typed
    tuned = [model for model in (candidate, rival) if model and manifest_of(model)]
    try:
        cut = lines.eval_set(EvalOptions(repo=root, holes=LINES), tuned)
    except RepositoryError:
        return Questions()
    # The first of them are to be of all files, should there be no time for the others.
    spans = random.Random(0).sample(cut.spans, len(cut.spans))
    return Questions(cut=replace(cut, spans=tuple(spans)))


def _typed_set(root: Path, candidate: Path, rival: Path | None) -> TypedSet | None:
    known = manifest_of(rival) if rival else None
    try:
        since = _unknown_since(root, manifest_of(candidate), known)
        if since is None:
            return None
        drawn = typed.typed_set(
            EvalOptions(repo=root, commits=f"{SINCE}{since}", holes=_DRAWN), [candidate]
        )
    except RepositoryError:
        # No history, or one that was written anew.
        return None
    commits, count = [], 0
    for commit in drawn.commits[::-1]:
        told = tuple(line for line in commit.lines if not line.new_file)
        if told and count < LINES:
            commits.append(replace(commit, lines=told))
            count += len(told)
    return replace(drawn, commits=tuple(commits[::-1]))


def _unknown_since(
    root: Path, candidate: ModelManifest | None, rival: ModelManifest | None
) -> str | None:
    """Return the commit behind which neither model has learned anything; None where that is not
    known. Raises RepositoryError where it is not in this history."""
    if candidate is None or not candidate.holdout:
        return None
    since = resolve(root, candidate.holdout.removeprefix(SINCE))
    if rival is None or not rival.adapter:
        return since
    if rival.holdout:
        other = resolve(root, rival.holdout.removeprefix(SINCE))
    elif (when := _begun(rival.adapter)) is None:
        return None
    else:
        other = resolve(root, when.isoformat())
    for earlier, later in ((since, other), (other, since)):
        if git.ask(root, "merge-base", "--is-ancestor", earlier, later) is not None:
            return later
    return None


def _begun(adapter: str) -> datetime | None:
    """Return when a training began, by the name of the adapter that came of it."""
    try:
        return datetime.strptime(adapter[:15], "%Y%m%d-%H%M%S")
    except ValueError:
        return None


def compare(
    asked: Questions, rival: Path, candidate: Path, tick: Tick, *, least: int = MIN_LINES
) -> Comparison:
    """Ask both models as many lines as five minutes allow, and at least `least`, if there are as
    many. Raises ModelError for one that cannot be loaded."""
    enough = _enough(least)
    if asked.typed:
        before, after = _typed(asked.typed, rival, candidate, tick, enough)
        asked = Questions(typed=_first(asked.typed, len(before)))
        assert asked.typed
        names = _names(asked.typed, before, after)
        return Comparison(questions=asked, differences=_of_typed(before, after), names=names)
    assert asked.cut is not None
    old = _cut(asked.cut, rival, tick, enough)
    asked = Questions(cut=replace(asked.cut, spans=asked.cut.spans[: old.count]))
    assert asked.cut is not None
    new = _cut(asked.cut, candidate, tick)
    apart = metrics.change(old, new)
    exact = Difference(
        measure="exact lines",
        before=old.exact_match.mean,
        after=new.exact_match.mean,
        change=apart.exact_match,
    )
    similar = Difference(
        measure="edit similarity",
        before=old.edit_similarity.mean,
        after=new.edit_similarity.mean,
        change=apart.edit_similarity,
    )
    return Comparison(questions=asked, differences=(exact, similar))


def _enough(least: int) -> Enough:
    """Return whether so many lines are enough of the first model, whose time runs from now on: the
    second one takes as long."""
    until = time.monotonic() + _SECONDS / 2
    return lambda count: count >= least and time.monotonic() > until


def _first(asked: TypedSet, count: int) -> TypedSet:
    """Return the commits that the first `count` lines are of."""
    up_to = accumulate(len(commit.lines) for commit in asked.commits)
    return replace(
        asked,
        commits=tuple(c for c, total in zip(asked.commits, up_to, strict=True) if total <= count),
    )


def _cut(
    asked: LineEvalSet, model: Path, tick: Tick, enough: Enough = lambda count: False
) -> LineScores:
    with served(model, "completion") as engines:
        engine, _ = engines[-1]
        count, name = len(asked.spans), engine.name
        return lines.evaluate(engine, asked, lambda done: tick(name, done, count), enough).scores


def _typed(
    asked: TypedSet, rival: Path, candidate: Path, tick: Tick, enough: Enough
) -> tuple[tuple[Answered, ...], tuple[Answered, ...]]:
    shown: tuple[WindowLimits, int, CompletionPolicy] | None = None
    alike = _alike(rival, candidate)
    answered = []
    for model in (rival, candidate):
        with served(model, "completion") as engines:
            engine, policy = engines[-1]
            if shown and alike:
                engine.limits, engine.reserve, policy = shown
            else:
                shown = engine.limits, engine.reserve, policy
            answered.append(_without_clock(engine, policy, asked, tick, enough))
        # The second model is asked the same.
        asked, enough = _first(asked, len(answered[-1])), lambda count: False
    before, after = answered
    return before, after


def _without_clock(
    engine: LocalEngine, policy: CompletionPolicy, asked: TypedSet, tick: Tick, enough: Enough
) -> tuple[Answered, ...]:
    # A line ends where it ends; how long a block may take is a question of the clock.
    count, name = asked.count, engine.name
    return typed.evaluate(
        engine,
        policy.lines_alone,
        asked,
        math.inf,
        lambda done: tick(name, done, count),
        enough,
        asked_once=True,
    ).answers


def _alike(first: Path, second: Path) -> bool:
    """Return whether two models are of about the same size: neither is to be shown less because
    its speed was measured at a bad moment."""
    if first.is_dir() or second.is_dir():
        return False
    small, large = sorted(path.stat().st_size for path in (first, second))
    return small >= _SAME_SIZE * large


def _of_typed(before: Sequence[Answered], after: Sequence[Answered]) -> tuple[Difference, ...]:
    commits = [answer.commit for answer in before]
    characters = [float(answer.typed.characters) for answer in before]

    def apart(
        measure: str, value: Callable[[Answered], float], weights: Sequence[float] | None = None
    ) -> Difference:
        return not_worse.difference(
            measure, [value(a) for a in before], [value(a) for a in after], commits, weights
        )

    return (
        apart("exact lines", lambda answer: answer.right),
        apart("edit similarity", lambda answer: answer.similarity),
        apart("keystrokes saved by first answers", lambda answer: answer.typed.saved, characters),
    )


def _names(
    asked: TypedSet, before: Sequence[Answered], after: Sequence[Answered]
) -> StaleNames | None:
    """Return at how many lines each model says names that were removed in the commits that were
    kept from it; None in a repository of too many files."""
    gone = _gone(asked)
    if gone is None:
        return None
    expected = [line.expected for commit in asked.commits for line in commit.lines]

    def says(answers: Sequence[Answered]) -> list[bool]:
        return [
            gone_names.says_any(answer.text, gone[answer.commit], text)
            for answer, text in zip(answers, expected, strict=True)
        ]

    return not_worse.stale_names(says(before), says(after))


def _gone(asked: TypedSet) -> dict[str, frozenset[str]] | None:
    """Return by commit the names that were there at the first of the commits that are asked about,
    and no more when this one was typed."""
    history, replay = NameHistory(), Replay(asked.root, asked.declared)
    gone = {}
    for at, commit in enumerate((asked.since, *(commit.parent for commit in asked.commits))):
        for path, text in replay.go_to(commit) if commit else ():
            history.put(path, text)
        if len(history) > gone_names.MAX_FILES:
            return None
        if at == 0:
            history.learn()
        else:
            gone[asked.commits[at - 1].commit] = history.gone
    return gone
