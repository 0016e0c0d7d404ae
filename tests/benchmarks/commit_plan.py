"""Lines of later commits as places of a replay, typed into the files of before.

Where keystrokes.py takes lines away that are there, this replays a history: a place's document
holds the commit's earlier hunks and the old text behind the cursor, and the workspace on disk the
parent's tree and the commit's earlier files. Every right offer is taken: keystrokes are counted.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from keystrokes import Line, Place, Plan, presses

from budgetai_core.repository.commits import Replay
from budgetai_server.evaluation.typed import TypedCommit, TypedSet


@dataclass(frozen=True)
class Scene:
    """The state a place is typed in: `text` is the document, without the line that is missing, and
    `row` the line above it; `commit` says what else lies on disk."""

    commit: TypedCommit
    path: str
    text: str
    row: int


def commit_plan(lines: TypedSet, seed: int) -> tuple[Plan, tuple[Scene, ...]]:
    """Return a place for each line of a file that was there before its commit, and its scene."""
    rng = random.Random(seed)
    places, scenes = [], []
    for commit in lines.commits:
        for line in commit.lines:
            above, newline, indentation = line.before.rpartition("\n")
            if line.new_file or not newline:
                continue
            row = above.count("\n")
            text = indentation + line.expected
            typed = Line(row + 1, text, True, tuple(presses(text, first=True, rng=rng)))
            places.append(Place(line.path, (typed,), "place" if places else "start"))
            scenes.append(Scene(commit, line.path, above + line.after, row))
    return Plan({}, tuple(places)), tuple(scenes)


class Workspace:
    """A folder that is moved from scene to scene."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._replay = Replay(root)
        self._folder = folder
        # By path, what the commit of the scene has made of a file of its parent's tree.
        self._changed: dict[str, str | None] = {}
        self._texts: dict[str, str | None] = {}

    def go_to(self, scene: Scene) -> set[str]:
        """Write what a scene has on disk; return the paths that are other ones now."""
        wanted: dict[str, str | None] = dict(self._replay.go_to(scene.commit.parent))
        at_parent = {path: self._texts.get(path) for path in self._changed} | wanted
        self._texts |= wanted
        made = {path: text for path, text in scene.commit.files if path < scene.path}
        self._changed = made | {scene.path: scene.text}
        now = at_parent | self._changed
        for path, text in now.items():
            target = self._folder / path
            if text is None:
                target.unlink(missing_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
        return set(now)
