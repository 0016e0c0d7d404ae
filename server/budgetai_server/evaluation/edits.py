"""How good the next edits are: later commits, edited again hunk by hunk into the files of before.

The hunks of a commit come in the order of its difference, and behind each the server is asked once,
with what it has seen of the commit until then. A proposal is right if its lines are, to the
byte, lines that a later hunk of the commit makes of the same lines. A hunk repeats if its change,
the tokens between the ends that its two sides share, is that of an earlier hunk of the commit.
Where no hunk of a commit repeats, silence is right behind each.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from rapidfuzz.distance import Indel

from budgetai_core import repository
from budgetai_core.context.languages import language_of
from budgetai_core.errors import OptionError
from budgetai_core.evaluation.metrics import Score, by_cluster, percentile
from budgetai_core.evaluation.typed_lines import reformats
from budgetai_core.repository.commits import FileChange, Replay, commits_after
from budgetai_core.repository.history import SINCE, resolve
from budgetai_core.repository.line_diff import hunks
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.next_edit.edit_rules import LineEdit
from budgetai_server.next_edit.file_search import holding
from budgetai_server.next_edit.proposer import Documents, NextEdits, Proposal

_TOKEN = re.compile(r"\w+|\n|[^\w\s]")
# Edits back that a proposal may undo.
_UNDONE_EDITS = 10


@dataclass(frozen=True)
class Hunk:
    """Lines of a file from `first` up to `last` that a commit made those from `new_first` up to
    `new_last`."""

    path: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    first: int
    last: int
    new_first: int
    new_last: int

    @cached_property
    def change(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The tokens that went and came, without what both sides share at their ends."""
        old = _TOKEN.findall("\n".join(self.old[self.first : self.last]))
        new = _TOKEN.findall("\n".join(self.new[self.new_first : self.new_last]))
        shortest = min(len(old), len(new))
        head = next((n for n in range(shortest) if old[n] != new[n]), shortest)
        tail = 0
        while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
            tail += 1
        return tuple(old[head : len(old) - tail]), tuple(new[head : len(new) - tail])

    @property
    def text(self) -> str:
        """The file with this hunk and those above it."""
        return "\n".join([*self.new[: self.new_last], *self.old[self.last :]])

    @property
    def edit(self) -> LineEdit:
        above = self.new[self.new_first - 1] if self.new_first else ""
        below = self.old[self.last] if self.last < len(self.old) else ""
        gone, come = self.old[self.first : self.last], self.new[self.new_first : self.new_last]
        return LineEdit(self.path, self.new_first, gone, come, above, below)


@dataclass(frozen=True)
class Asked:
    """What was proposed behind a hunk: None, or whether it was right; and which hunk, by number,
    it did. `undoes` is the share of it that takes back what was just done."""

    commit: str
    repeats: bool
    silence: bool
    right: bool | None
    hunk: int | None
    undoes: float
    milliseconds: float


@dataclass(frozen=True)
class EditEvaluation:
    """The answers behind all hunks, and scores with intervals that resample commits."""

    commits: int
    asked: tuple[Asked, ...]

    @property
    def shown(self) -> list[Asked]:
        return [answer for answer in self.asked if answer.right is not None]

    @property
    def right(self) -> Score:
        """Of what was shown."""
        shown = self.shown
        return by_cluster([float(bool(a.right)) for a in shown], [a.commit for a in shown])

    @property
    def proposed(self) -> Score:
        """Of the hunks that repeat an earlier one, those that were proposed."""
        done = {(answer.commit, answer.hunk) for answer in self.asked}
        hits, commits = [], []
        number, commit = 0, ""
        for answer in self.asked:
            number = number + 1 if answer.commit == commit else 0
            commit = answer.commit
            if answer.repeats:
                hits.append(float((commit, number) in done))
                commits.append(commit)
        return by_cluster(hits, commits)

    @property
    def quiet(self) -> Score:
        """Behind the hunks of commits in which nothing is repeated."""
        asked = [answer for answer in self.asked if answer.silence]
        return by_cluster([float(a.right is None) for a in asked], [a.commit for a in asked])

    @property
    def reversal(self) -> Score:
        """The share of a proposal that takes back what was just done."""
        shown = self.shown
        return by_cluster([a.undoes for a in shown], [a.commit for a in shown])

    def as_json(self) -> dict[str, object]:
        """Return what is printed with --json; no code."""
        times = [answer.milliseconds for answer in self.asked]
        return {
            "commits": self.commits,
            "asked": len(self.asked),
            "repeats": sum(answer.repeats for answer in self.asked),
            "silence_is_right": sum(answer.silence for answer in self.asked),
            "shown": len(self.shown),
            "right": asdict(self.right),
            "proposed": asdict(self.proposed),
            "quiet": asdict(self.quiet),
            "reversal": asdict(self.reversal),
            "cpu_ms_p50": percentile(times, 0.5),
            "cpu_ms_p95": percentile(times, 0.95),
        }

    def __str__(self) -> str:
        values = self.as_json()
        p50, p95 = values["cpu_ms_p50"], values["cpu_ms_p95"]
        return "\n".join(
            [
                f"{values['asked']} hunks of {self.commits} commits, asked once behind each; "
                f"{values['repeats']} repeat an earlier one",
                f"useful   {self.right}  of {values['shown']} shown are right to the byte",
                f"found    {self.proposed}  of the hunks that repeat were proposed",
                f"quiet    {self.quiet}  of {values['silence_is_right']} hunks in commits without a"
                " repeat",
                f"reversal {self.reversal}  of a proposal takes back what was just done",
                f"processor time {p50:.1f} ms at p50, {p95:.1f} ms at p95",
            ]
        )


def evaluate_edits(
    options: EvalOptions,
    tick: Callable[[float], None] = lambda share: None,
    make: Callable[[], NextEdits] = NextEdits,
) -> EditEvaluation:
    """Edit the commits since what `options.commits` names. Raises OptionError and
    RepositoryError."""
    if not options.commits.startswith(SINCE):
        raise OptionError(
            f"--commits {options.commits} is not known", "Write it as since:REVISION or since:DATE"
        )
    root = repository.open_repository(options.repo)
    history = commits_after(root, resolve(root, options.commits.removeprefix(SINCE)))
    replay = Replay(root)
    tree: dict[str, str] = {}
    asked: list[Asked] = []
    commits = 0
    for number, (commit, parent) in enumerate(history):
        changes = [c for c in replay.changes(parent, commit) if c.before is not None]
        if changes and not reformats(changes):
            for path, text in replay.go_to(parent):
                if text is None:
                    tree.pop(path, None)
                else:
                    tree[path] = text
            commits += 1
            asked += replayed(commit, changes, tree, make())
        tick((number + 1) / len(history))
    return EditEvaluation(commits, tuple(asked))


def replayed(
    commit: str, changes: Sequence[FileChange], tree: dict[str, str], next_edits: NextEdits
) -> Iterator[Asked]:
    """Yield what is proposed behind each hunk of a commit. `tree` has the files of before."""
    todo = list(hunks_of(changes))
    repeats = list(_repeats(todo))
    opened: dict[str, str] = {}
    known: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def search(text: str, near: str) -> Iterable[tuple[str, str]]:
        """Search the tree, which stays the same for the whole commit."""
        if (text, near) not in known:
            like = language_of(near)
            files = ((path, tree[path]) for path in tree if language_of(path) is like)
            known[text, near] = list(holding(text, near, files))
        return known[text, near]

    for number, hunk in enumerate(todo):
        opened[hunk.path] = text = hunk.text
        began = time.thread_time()
        next_edits.record(hunk.edit, text)
        proposal = next_edits.propose(hunk.path, hunk.new_last, Documents(opened, search))
        milliseconds = (time.thread_time() - began) * 1000
        does = done_by(proposal, number, todo) if proposal else None
        yield Asked(
            commit,
            repeats[number],
            not any(repeats),
            None if proposal is None else does is not None,
            does,
            _undoes(proposal, todo[: number + 1]) if proposal else 0.0,
            milliseconds,
        )


def hunks_of(changes: Iterable[FileChange]) -> Iterator[Hunk]:
    """Yield the hunks of files that were there before, in the order of a difference."""
    for change in changes:
        if change.before is not None:
            old, new = tuple(change.before.split("\n")), tuple(change.after.split("\n"))
            for lines in hunks(old, new):
                yield Hunk(change.path, old, new, *lines)


def _repeats(todo: Iterable[Hunk]) -> Iterator[bool]:
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for hunk in todo:
        yield hunk.change in seen and hunk.change != ((), ())
        seen.add(hunk.change)


def done_by(proposal: Proposal, number: int, todo: Sequence[Hunk]) -> int | None:
    """Return the hunk behind the one of a number that makes the very lines of a proposal, in whole
    or in part; None if none does."""
    here = todo[number]
    for later in range(number + 1, len(todo)):
        hunk = todo[later]
        if hunk.path != proposal.document:
            continue
        moved = here.new_last - here.last if hunk.path == here.path else 0
        first, last = proposal.first - moved, proposal.last - moved
        if hunk.first <= first and last <= hunk.last:
            before = hunk.old[hunk.first : hunk.last]
            after = hunk.new[hunk.new_first : hunk.new_last]
            made = (*hunk.old[hunk.first : first], *proposal.new, *hunk.old[last : hunk.last])
            nearer = Indel.distance(before, after) - Indel.distance(made, after)
            # Each line that it takes out or puts in brings the hunk nearer to its end.
            return later if nearer == last - first + len(proposal.new) else None
    return None


def _undoes(proposal: Proposal, done: Sequence[Hunk]) -> float:
    """Return the share of a proposal's lines that were put in or taken out the other way around."""
    edits = [hunk.edit for hunk in done[-_UNDONE_EDITS:] if hunk.path == proposal.document]
    put_in = {line for edit in edits for line in edit.new}
    taken_out = {line for edit in edits for line in edit.old}
    back = sum(line in put_in for line in proposal.old) + sum(
        line in taken_out for line in proposal.new
    )
    # A line that the edits only moved is on both sides.
    moved = put_in & taken_out
    back -= sum(line in moved for line in (*proposal.old, *proposal.new))
    return max(0, back) / max(1, len(proposal.old) + len(proposal.new))
