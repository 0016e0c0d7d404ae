"""One base and two trained adapters, one for completions and one for docstrings, over stdio."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from budgetai_server.cli.demo_editor import position_after, started
from support.running import command

# What does not depend on how fast the machine is, nor on the order of the requests.
SETTINGS = (
    *("--prompt-tokens", "600", "--answer-tokens", "24", "--multiline", "off"),
    *("--min-confidence", "0", "--no-speculate"),
)
LEARNING = ("--max-steps", 8, "--learning-rate", 0.003, "--budget", "6m", "--evaluate", "none")
LINE = '"""Wait for answers of the model."""\n\nfrom pathlib import Path\n\nfrom '
MARK = 'def volume(width, height, depth):\n    """'
ASKED = {"line": (LINE, ""), "mark": (MARK, "\n    return width * height * depth\n")}


def answers(model: Path, places: str, *options: str) -> list[list[str]]:
    """What a server says at places, asked one after the other, each in a document of its own."""

    async def ask() -> list[list[str]]:
        async with started("--model", str(model), *SETTINGS, *options) as editor:
            await editor.open_workspace(None)
            assert editor.messages[0].startswith("BudgetAI serves "), editor.messages
            found = []
            for number, place in enumerate(places.split()):
                before, after = ASKED[place]
                # The folder stands for the repository in the prompt.
                uri = f"file:///{number}/shop/new.py"
                editor.open(uri, before + after)
                found.append(await editor.inline(uri, position_after(before)))
            return found

    return asyncio.run(ask())


def bundle(out: Path, *adapters: str) -> Path:
    command("budgetai_convert", *adapters, "--bundle", "--out", out)
    return out


@pytest.mark.big
@pytest.mark.timeout(900)
def test_two_adapters_over_one_base(large_repo: Path, tmp_path: Path) -> None:
    trained: dict[str, Any] = {
        task: command("budgetai_training", "--repo", large_repo, "--task", task, *LEARNING)
        for task in ("completion", "docstring")
    }
    lines, docstrings = (manifest["adapter"] for manifest in trained.values())
    both = bundle(tmp_path / "both", lines, docstrings)
    mixed = answers(both, "line mark line mark")
    assert all(mixed)
    assert mixed == [*mixed[:2], *mixed[:2]], "one adapter has heard what another said"
    assert mixed[:1] == answers(bundle(tmp_path / "lines", lines), "line")
    assert mixed[1:2] == answers(bundle(tmp_path / "docstrings", docstrings), "mark")
    (written,) = mixed[1]
    assert all(f"{name}:" in written for name in ("width", "height", "depth"))
    plain = answers(both / "base.gguf", "line mark")
    assert plain[0] != mixed[0] and plain[1] != mixed[1], "they have learned too little to tell"
    assert answers(both, "line", "--adapter", "none") == plain[:1]
