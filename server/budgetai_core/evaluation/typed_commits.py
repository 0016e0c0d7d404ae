"""The lines of commits to type, drawn from a history; and how much of it gives enough of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from budgetai_core import repository
from budgetai_core.evaluation.typed_lines import TypedLine, choose, reformats, typed_lines
from budgetai_core.repository import git
from budgetai_core.repository.commits import Replay, commits_after

LINES_PER_COMMIT = 5
# A history is learned but for a fifth of its commits, where the user has not said what to hold out.
_HELD_BACK = 5
# Each takes a hundredth of a second, and a history may have a hundred thousand.
_MAX_COMMITS = 1000


@dataclass(frozen=True)
class TypedCommit:
    """Lines of one commit, by file in the order of the paths; `earlier` are the files, path and new
    text, that a line finds changed already."""

    commit: str
    parent: str
    lines: tuple[TypedLine, ...]
    files: tuple[tuple[str, str], ...]

    def earlier(self, line: TypedLine) -> Iterator[tuple[str, str]]:
        """Yield path and text of the commit's files that were changed before the line's."""
        yield from ((path, text) for path, text in self.files if path < line.path)


def newest_with(repo: Path, count: int, at_least: int = 0) -> str:
    """Return the newest commit behind which a history has `count` lines to type, among the last
    fifth of its commits; where they are fewer, but `at_least` so many, the one behind which all of
    them are. Empty where there is none. Raises RepositoryError."""
    root = repository.open_repository(repo)
    if not git.has_repository(root) or git.ask(root, "rev-parse", "--verify", "HEAD") is None:
        return ""
    history = commits_after(root, "")
    replay = Replay(root)
    number, since = 0, ""
    for commit, parent in history[: -min(len(history) // _HELD_BACK, _MAX_COMMITS) - 1 : -1]:
        drawn = lines_of(replay, commit, parent, LINES_PER_COMMIT, seed=0)
        if lines := sum(not line.new_file for line in drawn.lines) if drawn else 0:
            number, since = number + lines, parent
        if number >= count:
            return since
    return since if number >= (at_least or count) else ""


def lines_of(replay: Replay, commit: str, parent: str, count: int, seed: int) -> TypedCommit | None:
    """Return at most `count` lines of a commit to type; None where it has none."""
    changes = replay.changes(parent, commit)
    if changes and reformats(changes):
        replay.left_out["reformatting commit"] += 1
        return None
    lines = choose([line for c in changes for line in typed_lines(c)], count, f"{seed}{commit}")
    files = tuple((change.path, change.after) for change in changes)
    return TypedCommit(commit, parent, tuple(lines), files) if lines else None
