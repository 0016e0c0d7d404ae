"""The evaluation's own judgement: which lines need another file, what a ratio is, what breaks."""

import json
import math
import subprocess
import sys
from pathlib import Path

from benchmarks.breaks import breaks
from benchmarks.intervals import ratio
from benchmarks.places import places

from budgetai_core.context.index import Index
from budgetai_core.evaluation.spans import MaskedSpan
from budgetai_server.completion.text_edit import Suggestion

OTHER = "def open_ledger(path, mode):\n    return path, mode\n"
FAR = "# nothing that says it\n" * 200
USES = "from store import open_ledger\n" + FAR + "book = open_ledger('a', 'r')\n"
NEAR = "from store import open_ledger\n\nbook = open_ledger('a', 'r')\n"
OWN = FAR + "def open_ledger(path):\n    return path\n" + FAR + "book = open_ledger('a')\n"


def found(text: str) -> list[tuple[str, str]]:
    texts = [("store.py", OTHER), ("use.py", text)]
    some = places(texts, Index(texts), 10, per_file=10, seed=0)
    return [(place.name, place.span.expected) for place in some]


def test_a_line_needs_a_file_when_nothing_near_it_names_what_that_defines() -> None:
    assert found(USES) == [("open_ledger", "book = open_ledger('a', 'r')")]
    assert found(NEAR) == []
    assert found(OWN) == []


def test_a_ratio_comes_with_an_interval_over_files() -> None:
    half = ratio([1, 0, 1, 0], [1, 1, 1, 1], ["a", "a", "b", "b"])
    assert (half.mean, half.low, half.high) == (0.5, 0.5, 0.5)
    doubtful = ratio([1, 1, 0, 0], [1, 1, 1, 1], ["a", "a", "b", "b"])
    assert (doubtful.mean, doubtful.low, doubtful.high) == (0.5, 0.0, 1.0)
    assert math.isnan(ratio([1.0], [0.0], ["a"]).mean)


def test_an_answer_is_judged_by_the_errors_it_leaves() -> None:
    span = MaskedSpan("use.js", "const book = load(", "1)", "\n", "end")
    assert breaks(span, Suggestion("2)")) == (False, False)
    assert breaks(span, Suggestion("2")) == (False, True)
    whole = MaskedSpan("use.py", "", "load(1)", "\nread(1)\n", "line")
    assert breaks(whole, Suggestion("load((")) == (True, True)


def test_without_a_model_the_script_says_what_prompts_show(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(OTHER)
    (tmp_path / "use.py").write_text(USES)
    script = Path(__file__).with_name("cross_file.py")
    command = [sys.executable, str(script), "--repo", str(tmp_path), "--no-ask", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shares = {
        row["condition"]: row["shown"]["mean"]
        for row in json.loads(done.stdout)["rows"]
        if row["repository"] == "all"
    }
    assert shares["file"] == 0.0
    assert shares["all"] == 1.0
