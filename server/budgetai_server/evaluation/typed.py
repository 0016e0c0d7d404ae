"""How good a model is where a user types: lines of later commits, typed into the files of before.

Each place is evaluated as the server would show it with its default options: the model's own speed
on this machine decides how much context it gets, and a suggestion counts if it is there in time.
"""

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rapidfuzz.distance import Levenshtein

from budgetai_core import repository
from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language
from budgetai_core.context.prompt import Prompt
from budgetai_core.errors import OptionError
from budgetai_core.evaluation.keystrokes import TimedSuggestion, Typed, pause, type_line
from budgetai_core.evaluation.metrics import Score, by_cluster, first_line
from budgetai_core.evaluation.typed_commits import LINES_PER_COMMIT, TypedCommit, lines_of
from budgetai_core.evaluation.typed_lines import TypedLine
from budgetai_core.repository import git
from budgetai_core.repository.commits import Replay, commits_after
from budgetai_core.repository.history import SINCE, resolve
from budgetai_core.repository.language_map import declarations
from budgetai_core.repository.line_diff import hunks
from budgetai_server.completion.generation import Generation, generate
from budgetai_server.completion.render import CompletionPolicy, render_within
from budgetai_server.evaluation.candidates import manifest_of, named
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.inference.local import LocalEngine

LOCATIONS = ("chunk", "prompt", "tree", "nowhere")
"""Where the text of a line stood when it was typed: in a chunk that the prompt shows, elsewhere in
the prompt, elsewhere in the tree, or nowhere."""


@dataclass(frozen=True)
class TypedSet:
    """What is typed. `left_out` counts what of the history is not, by reason; `warnings` name
    models that may have learned it. `declared` has languages by ending or name, as the user
    says."""

    root: Path
    since: str
    commits: tuple[TypedCommit, ...]
    left_out: dict[str, int]
    warnings: tuple[str, ...]
    declared: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(len(commit.lines) for commit in self.commits)


@dataclass(frozen=True)
class Answered:
    """One line: what was shown at its beginning, how the whole of it was typed, and what greedy
    decoding alone says (`raw`), all of it in `text`."""

    commit: str
    new_file: bool
    right: bool
    similarity: float
    raw_right: bool
    raw_similarity: float
    typed: Typed
    location: str
    seconds: float
    text: str = ""


@dataclass(frozen=True)
class TypedScores:
    """Scores over `count` lines, with intervals that resample commits."""

    count: int
    exact_match: Score
    edit_similarity: Score
    keystrokes_saved: Score
    raw_exact_match: Score
    raw_edit_similarity: Score
    shown_per_line: float
    taken_share: float


@dataclass(frozen=True)
class TypedEvaluation:
    """A model's answers. Scores are of lines in files that were there before; those of files that
    came with their commit are apart."""

    model: Path
    adapter: str
    answers: tuple[Answered, ...]

    @property
    def name(self) -> str:
        return named(self.model, self.adapter)

    @property
    def scores(self) -> TypedScores:
        return scores([answer for answer in self.answers if not answer.new_file])

    @property
    def new_files(self) -> TypedScores:
        return scores([answer for answer in self.answers if answer.new_file])

    @property
    def misses(self) -> dict[str, int]:
        """Where the text of lines stood that were not shown right."""
        counts = Counter(answer.location for answer in self.answers if not answer.right)
        return {place: counts[place] for place in LOCATIONS}


def typed_set(
    options: EvalOptions, models: Sequence[Path], tick: Callable[[int], None] = lambda count: None
) -> TypedSet:
    """Draw lines of the commits since what `options.commits` names, at most five a commit, until
    there are `options.holes`. The same history and seed give the same lines. Raises OptionError
    and RepositoryError."""
    if not options.commits.startswith(SINCE):
        raise OptionError(
            f"--commits {options.commits} is not known", "Write it as since:REVISION or since:DATE"
        )
    root = repository.open_repository(options.repo)
    since = resolve(root, options.commits.removeprefix(SINCE))
    history = commits_after(root, since)
    order = list(range(len(history)))
    Random(options.seed).shuffle(order)
    declared = declarations(options.language)
    replay = Replay(root, declared)
    drawn: dict[int, TypedCommit] = {}
    missing = options.holes
    for place in order:
        if missing <= 0:
            break
        commit, parent = history[place]
        if lines := lines_of(replay, commit, parent, min(missing, LINES_PER_COMMIT), options.seed):
            drawn[place] = lines
            missing -= len(lines.lines)
            tick(options.holes - missing)
    commits = tuple(drawn[place] for place in sorted(drawn))
    warnings = tuple(filter(None, (_warning(root, since, model) for model in models)))
    return TypedSet(root, since, commits, dict(replay.left_out), warnings, declared)


def _warning(root: Path, since: str, model: Path) -> str:
    manifest = manifest_of(model)
    if manifest is None:
        return ""
    known = manifest.holdout.removeprefix(SINCE)
    if known and git.ask(root, "merge-base", "--is-ancestor", known, since or "HEAD") is not None:
        return ""
    return (
        f"{model.name} may have learned these commits; train it with --holdout since:"
        f"{since[:12] or 'DATE'} to know"
    )


def evaluate(
    engine: LocalEngine,
    policy: CompletionPolicy,
    lines: TypedSet,
    patience: float = 0.0,
    tick: Callable[[int], None] = lambda count: None,
    enough: Callable[[int], bool] = lambda count: False,
    *,
    asked_once: bool = False,
) -> TypedEvaluation:
    """Type every line in turn, in the tree it was typed in, or those of as many commits as are
    `enough`. Drafts are those of the first tree. With `asked_once` the model is asked at a line's
    beginning alone, and not again at keys that its answer does not agree with."""
    replay, index = Replay(lines.root, lines.declared), Index()
    answers: list[Answered] = []
    for commit in lines.commits:
        if enough(len(answers)):
            break
        for path, text in replay.go_to(commit.parent):
            put(index, path, text, replay.language(path))
        if commit is lines.commits[0]:
            engine.learn(index.text(path) for path in index.paths)
        changed: dict[str, str | None] = {}
        index.recent = ()
        for line in commit.lines:
            for path, text in (*commit.earlier(line), (line.path, line.before + line.after)):
                changed.setdefault(path, index.text(path) if path in index else None)
                language = line.language if path == line.path else replay.language(path)
                put_as_typed(index, path, text, language)
            typist = _Typist(engine, policy, index, lines.root.name, line, asked_once=asked_once)
            answers.append(_answer(typist, index, commit, line, patience))
            tick(len(answers))
        # The next commit begins from its own parent.
        for path, before in changed.items():
            put(index, path, before, replay.language(path))
    return TypedEvaluation(engine.path, engine.adapter, tuple(answers))


def put_as_typed(index: Index, path: str, text: str | None, language: Language | None) -> None:
    """Put a file into the index, or take it out of it, as someone leaves it who has just typed what
    is new in it."""
    old = index.text(path)
    put(index, path, text, language)
    if text is None or text == old:
        return
    for removed_from, removed_to, first, last in hunks(old.split("\n"), text.split("\n")):
        by = (last - first) - (removed_to - removed_from)
        index.lines_moved(path, max(first, last - 1), by)
        for number in range(first, max(first + 1, last)):
            index.edited(path, number)


def put(index: Index, path: str, text: str | None, language: Language | None) -> None:
    """Put a file into the index, or take it out where `text` is None."""
    if text is None:
        index.remove(path)
    elif text != index.text(path) or path not in index:
        index.update(path, text, language=language)


def _answer(
    typist: "_Typist", index: Index, commit: TypedCommit, line: TypedLine, patience: float
) -> Answered:
    typed = type_line(line.expected, typist.suggest, patience)
    first = typist.first
    return Answered(
        commit.commit,
        line.new_file,
        first_line(first.shown) == line.expected,
        Levenshtein.normalized_similarity(first_line(first.shown), line.expected),
        first_line(first.raw) == line.expected,
        Levenshtein.normalized_similarity(first_line(first.raw), line.expected),
        typed,
        _location(line.expected, first.prompt, index),
        first.seconds,
        first.raw,
    )


@dataclass(frozen=True)
class _Answer:
    """What the model said at a place, after how many seconds; all of its text, undecided."""

    generation: Generation
    shown: str
    raw: str
    prompt: Prompt | None
    seconds: float


class _Typist:
    """The server beside someone who types one line, on a clock of its own: answers take the time
    that they take here, keys that of `keystrokes.pause`. What is said already is not said again."""

    def __init__(
        self,
        engine: LocalEngine,
        policy: CompletionPolicy,
        index: Index,
        name: str,
        line: TypedLine,
        *,
        asked_once: bool,
    ) -> None:
        self._engine, self._policy, self._index = engine, policy, index
        self._name, self._line, self._asked_once = name, line, asked_once
        self._now = 0.0
        self._last = self._read_above() if line.continues else None
        self._answer = self.first = self._ask(0)
        # On its clock, when the answer was there.
        self._ready = self._answer.seconds

    def _read_above(self) -> Prompt:
        """Return what the server was shown at the end of the line above, which it has read."""
        above = self._line.snapshot_above(self._name)
        prompt = prompts.build(above, self._index, self._engine.limits)
        self._engine.warm(prompt, lambda: False)
        return prompt

    def suggest(self, typed: int, wait: float) -> TimedSuggestion:
        """Suggest what the server would show, as keystrokes.Suggester asks for it."""
        suggestion = self._suggest(typed)
        # Who is patient waits for an answer, but no longer than that.
        self._now += max(pause(self._line.expected, typed), min(suggestion.seconds, wait))
        return suggestion

    def _suggest(self, typed: int) -> TimedSuggestion:
        snapshot = self._line.snapshot(self._name, typed)
        generation = self._answer.generation
        shown = None
        if generation.may_agree(snapshot):
            shown = render_within(generation, snapshot, self._policy, math.inf)
        if shown is None and self._asked_once:
            return TimedSuggestion("", 0.0)
        if shown is None:
            self._answer = self._ask(typed)
            self._ready = self._now + self._answer.seconds
            return TimedSuggestion(self._answer.shown, self._answer.seconds)
        return TimedSuggestion(shown.text, max(0.0, self._ready - self._now))

    def _ask(self, typed: int) -> _Answer:
        snapshot = self._line.snapshot(self._name, typed)
        generation = Generation(snapshot)
        began = time.perf_counter()
        shown: str | None = None
        seconds = 0.0

        def look(waited: float) -> None:
            nonlocal shown, seconds
            if shown is None and (
                suggestion := render_within(generation, snapshot, self._policy, waited)
            ):
                shown, seconds = suggestion.text, time.perf_counter() - began

        def enough() -> bool:
            look(time.perf_counter() - began)
            # What greedy decoding says is known at the end of its line.
            return shown is not None and "\n" in generation.text.lstrip("\n")

        generate(
            self._engine, generation, self._index, self._policy.stop, lambda: False, enough,
            self._last,
        )  # fmt: skip
        self._last = generation.prompt
        look(math.inf)
        if shown is None:
            shown, seconds = "", time.perf_counter() - began
        return _Answer(generation, shown, generation.text, generation.prompt, seconds)


def _location(text: str, prompt: Prompt | None, index: Index) -> str:
    if prompt and any(text in chunk.text for chunk in prompt.chunks):
        return "chunk"
    if prompt and text in prompt.before + "\n" + prompt.after:
        return "prompt"
    in_tree = any(text in index.text(path) for path in index.paths)
    return "tree" if in_tree else "nowhere"


def scores(answers: Sequence[Answered]) -> TypedScores:
    """Score lines, by commit."""
    commits = [answer.commit for answer in answers]

    def mean(value: Callable[[Answered], float]) -> Score:
        return by_cluster([value(answer) for answer in answers], commits)

    shown = sum(answer.typed.shown for answer in answers)
    return TypedScores(
        len(answers),
        mean(lambda answer: answer.right),
        mean(lambda answer: answer.similarity),
        by_cluster(
            [answer.typed.saved for answer in answers],
            commits,
            [answer.typed.characters for answer in answers],
        ),
        mean(lambda answer: answer.raw_right),
        mean(lambda answer: answer.raw_similarity),
        shown / len(answers) if answers else 0.0,
        sum(answer.typed.taken for answer in answers) / shown if shown else 0.0,
    )


@dataclass(frozen=True)
class TypedChange:
    """From one model's answers to another's on the same lines: how many became right, how many
    wrong, and the mean differences, with intervals that resample commits."""

    better: int
    worse: int
    exact_match: Score
    edit_similarity: Score
    keystrokes_saved: Score


def change(before: TypedEvaluation, after: TypedEvaluation) -> TypedChange:
    """Compare two models line by line, in files that were there before."""
    pairs = [
        (old, new)
        for old, new in zip(before.answers, after.answers, strict=True)
        if not old.new_file
    ]
    commits = [old.commit for old, _ in pairs]
    rights = [int(new.right) - int(old.right) for old, new in pairs]
    return TypedChange(
        rights.count(1),
        rights.count(-1),
        by_cluster([float(right) for right in rights], commits),
        by_cluster([new.similarity - old.similarity for old, new in pairs], commits),
        by_cluster(
            [new.typed.saved - old.typed.saved for old, new in pairs],
            commits,
            [old.typed.characters for old, _ in pairs],
        ),
    )


def as_json(evaluation: TypedEvaluation) -> dict[str, object]:
    """Return what is printed of a model with --json; no code."""
    return {
        "model": str(evaluation.model),
        "adapter": evaluation.adapter,
        "scores": dataclasses.asdict(evaluation.scores),
        "new_files": dataclasses.asdict(evaluation.new_files),
        "misses": evaluation.misses,
    }
