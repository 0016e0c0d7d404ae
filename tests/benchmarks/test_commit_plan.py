"""The replay of a history: documents and disk are as they were when each line was typed."""

import asyncio
import sys
from pathlib import Path

import pytest

from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.evaluation.typed import typed_set
from support import revisions

sys.path.insert(0, str(Path(__file__).parent))

import replay
from buffer import Buffer, Edit
from commit_plan import Workspace, commit_plan
from keystrokes import Line, Place, Plan, Press
from side import Cost, Offer

HELPER = "def area(width, height):\n    return width * height\n"
USER = "from helper import area\n\n\ndef main():\n    pass\n"
CHANGED = HELPER + "\n\ndef volume(width, height, depth):\n    return area(width, height) * depth\n"
USING = USER.replace("    pass\n", "    print(area(3, 4))\n    print(area(5, 6))\n")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()

    def commit(**files: str) -> None:
        for name, text in files.items():
            (root / f"{name}.py").write_text(text)
        revisions.commit(root)

    commit(helper=HELPER, user=USER)
    revisions.git(root, "tag", "v1")
    commit(helper=CHANGED, user=USING)
    commit(user=USER)
    return root


def disk(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.py")}


def test_the_disk_is_as_it_was(repo: Path, tmp_path: Path) -> None:
    lines = typed_set(EvalOptions(repo=repo, commits="since:v1"), [])
    plan, scenes = commit_plan(lines, seed=0)
    assert [place.lines[0].text for place in plan.places] == [
        "def volume(width, height, depth):",
        "    return area(width, height) * depth",
        "    print(area(3, 4))",
        "    print(area(5, 6))",
    ]
    folder = tmp_path / "copy"
    folder.mkdir()
    workspace = Workspace(repo, folder)
    assert workspace.go_to(scenes[0]) == {"helper.py", "user.py"}
    assert disk(folder) == {"helper.py": HELPER + "\n", "user.py": USER}
    # The old text is below, and the commit's earlier file is there as a whole.
    workspace.go_to(scenes[2])
    assert disk(folder) == {"helper.py": CHANGED, "user.py": scenes[2].text}
    assert "area(3" not in scenes[2].text and "pass" not in scenes[2].text
    # Back again: what the commit had made of its files is undone.
    workspace.go_to(scenes[0])
    assert disk(folder) == {"helper.py": HELPER + "\n", "user.py": USER}


class Offers:
    """A side that offers the same text wherever it is the continuation, and then only."""

    name, pid = "offers", 0

    def __init__(self, text: str) -> None:
        self._text = text

    def insert_mode(self, on: bool) -> None: ...

    def jumped(self, buffer: Buffer) -> None: ...

    def edited(self, buffer: Buffer, edit: Edit) -> None: ...

    async def enter(self, buffer: Buffer, *, first: bool) -> None: ...

    async def prepare(self) -> None: ...

    async def idle(self) -> None: ...

    async def cost(self) -> Cost:
        return Cost()

    async def ask(self, buffer: Buffer) -> Offer:
        typed = buffer.line[: buffer.column].strip()
        rest = self._text.removeprefix(typed) if self._text.startswith(typed) else ""
        return Offer(rest, buffer.line[: buffer.column] + rest if rest else "")


@pytest.mark.parametrize(
    ("offered", "accepts", "keys"),
    [
        ("size = len(path)", True, 1),
        # Four words and the rest by hand.
        ("size = len(data)", True, 4 + len("path)")),
        ("nothing", True, 16),
        ("size = len(path)", False, 16),
    ],
)
def test_the_keys_of_a_line(
    offered: str, accepts: bool, keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "DEBOUNCE", 0.001)
    monkeypatch.setattr(replay, "_ACCEPT_GAP", 0.001)
    text = "size = len(path)"
    presses = (Press("\n", 0.01), *(Press(key, 0.0) for key in text))
    line = Line(1, text, accepts, presses)
    place = Place("a.py", (line,), "start")
    plan = Plan({"a.py": f"import os\n{text}\n"}, (place,))
    typist = replay.Typist(Offers(offered), plan, patience=5)
    monkeypatch.setattr(Place, "travel", 0.0)
    asyncio.run(typist.visit(0))
    assert typist.texts() == plan.files
    assert typist.keys == 1 + keys
    assert [(line.characters, line.keys) for line in typist.lines] == [(16, keys)] * accepts
