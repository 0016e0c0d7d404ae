"""budgetai-train --task docstring, on a tiny real model: what it learns, tells and refuses."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.errors import OptionError
from budgetai_training import cli, dry_run
from budgetai_training.corpus import load as corpus
from budgetai_training.evaluation.comparisons import DocstringComparison, GeneratedDocstring
from budgetai_training.options import TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.report import report_files as report
from budgetai_training.report.html import page
from budgetai_training.report.schema import Report
from budgetai_training.report.summary import drafted
from budgetai_training.run_dir import RunFolder
from budgetai_training.samples.docstring_samples import DocstringCounts

STEPS = 6
FUNCTION = '''\
def total_{n}_{i}(price, count):
    """Multiply the price by the count of pieces, way {i}.

    Args:
        price: What one piece costs.
        count: How many pieces are sold.

    Returns:
        The price of all pieces together.
    """
    return price * count + {i}


'''
STALE = '''\
def gone_{n}(price):
    """Frobnicate the vanished quux.

    Args:
        price: What one piece costs.
        quux: The vanished one.

    Returns:
        What is left of it.
    """
    return price - {n}
'''
SCRIPT = """\
/**
 * Adds the cost of shipping to a price.
 *
 * @param {{number}} price - What the goods cost.
 * @param {{number}} weight - What the parcel weighs.
 * @returns {{number}} The sum of both.
 */
export function shipped{n}(price, weight) {{
  return price + {n} * weight;
}}
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repo") / "shop"
    root.mkdir()
    for n in range(12):
        text = "".join(FUNCTION.format(n=n, i=i) for i in range(1 + n % 2))
        # Words of its own, or it would be a near-duplicate of another file.
        words = "\n".join(f"RATE_{w}_{n} = {n * 97 + w * 31}" for w in range(40))
        (root / f"module_{n}.py").write_text(f"{words}\n\n\n{text}{STALE.format(n=n)}")
        names = "\n".join(f"const weight{w}of{n} = {n * 89 + w * 37};" for w in range(30))
        (root / f"part{n}.js").write_text(f"{names}\n\n{SCRIPT.format(n=n)}")
    return root


def trained(repo: Path, llama: Path, out: Path, **options: Any) -> AdapterManifest:
    from budgetai_training.train import train

    given: dict[str, Any] = {
        "repo": repo, "base": str(llama), "task": "docstring", "out": out, "load_in": "fp32",
        "learning_rate": 0.01,
    }  # fmt: skip
    asked = TrainOptions(**(given | options))
    folder, asked = RunFolder.opened(asked)
    started = time.monotonic()
    return train(asked, folder, corpus.read(asked), Reporter(quiet=True), started).manifest


@pytest.fixture(scope="module")
def learned(
    repo: Path, llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, AdapterManifest]:
    out = tmp_path_factory.mktemp("out") / "adapter"
    return out, trained(repo, llama, out, max_steps=STEPS)


def test_it_learns_docstrings(learned: tuple[Path, AdapterManifest]) -> None:
    out, manifest = learned
    assert AdapterManifest.read(out) == manifest
    assert manifest.task == "docstring"
    assert manifest.counts["docstrings"] >= 20
    assert manifest.counts["held_out_docstrings"] >= 1
    before, after = (manifest.scores[f"held_out_loss_{when}"] for when in ("before", "after"))
    assert before is not None
    assert after is not None
    assert after < before - 0.3
    assert manifest.scores["general_loss_after"] is not None


def test_the_report_has_its_numbers(learned: tuple[Path, AdapterManifest]) -> None:
    account = report.read(learned[0])
    assert account.task == "docstring"
    assert account.docstrings
    assert account.docstrings.left_out["stale"] == 12
    assert not account.completions
    groups = {(group.by, group.name) for group in account.held_out}
    assert ("all", "all") in groups
    assert groups & {("style", "google"), ("style", "jsdoc")}
    assert groups & {("language", "python"), ("language", "javascript")}
    html = page(account)
    assert "predicts the docstrings better" in html
    assert "Docstrings, side by side" in html
    assert "12 stale" in html
    assert account.drafts
    assert drafted(account.drafts, "tuned") in html
    assert all(draft.expected and draft.name for draft in account.drafts)


def test_the_same_seed_is_the_same_adapter(
    learned: tuple[Path, AdapterManifest], repo: Path, llama: Path, tmp_path: Path
) -> None:
    """Whether it is judged or not."""
    again = tmp_path / "again"
    assert learned[1].counts["best_step"] == STEPS
    trained(repo, llama, again, max_steps=STEPS, evaluate="none")
    name = "adapter_model.safetensors"
    assert (again / name).read_bytes() == (learned[0] / name).read_bytes()


def test_an_adapter_stays_with_its_task(
    learned: tuple[Path, AdapterManifest], repo: Path, llama: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="trained for the task docstring, not for completion"):
        trained(repo, llama, tmp_path / "a", task="completion", continue_from=learned[0])
    assert not (tmp_path / "a.partial").exists()


def test_it_goes_on_with_what_is_new(
    learned: tuple[Path, AdapterManifest], repo: Path, llama: Path, tmp_path: Path
) -> None:
    (name, *_) = learned[1].learned
    file = repo / name
    before = file.read_text()
    file.write_text(before.replace("pieces", "parcels").replace("goods", "wares"))
    try:
        manifest = trained(
            repo, llama, tmp_path / "a", continue_from=learned[0], max_steps=2, old_share=0.0,
            evaluate="none", method="lora",
        )  # fmt: skip
    finally:
        file.write_text(before)
    # Beside the changed one those that the few steps before had not come to.
    counts = learned[1].counts
    assert manifest.counts["files"] == 1 + counts["files"] - len(learned[1].learned)
    assert 1 <= manifest.counts["docstrings"] < counts["docstrings"]


def test_the_plan_says_what_would_be_learned(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run.show(TrainOptions(repo=repo, task="docstring", dry_run=True))
    shown = capsys.readouterr().out
    assert "docstrings to learn, " in shown
    assert "12 stale" in shown
    then = shown.rpartition("then: budgetai-train ")[2]
    assert "--task=docstring" in then and "corpus.jsonl" in then and "--dry-run" not in then
    dry_run.show(TrainOptions(repo=repo, task="docstring", dry_run=True, json=True))
    counts = json.loads(capsys.readouterr().out)["docstrings"]
    assert counts["left_out"]["stale"] == 12
    assert counts["train"] + counts["held_out"] >= 30 - 12


def test_too_few_docstrings_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.py").write_text(FUNCTION.format(n=1, i=1))
    assert cli.main(["--task", "docstring", "--repo", str(tmp_path / "few")]) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert "few has too few docstrings to learn from (1 docstring to learn" in said
    assert "--also" in said


def test_a_page_of_drafts_shows_text_as_text() -> None:
    nasty = GeneratedDocstring(text="</pre><script>", rouge=0.5, structure=1.0, sound=True)
    comparison = DocstringComparison(
        path="a.py", line=3, name="", style="google", expected="<b>", base=nasty, tuned=nasty
    )
    run = Report(
        repository="shop", base="b", method="lora", rank=1, load_in="bf16", seed=0, finished="",
        budget=1.0, spent=1.0, parameters=1, trained_parameters=1, task="docstring",
        docstrings=DocstringCounts(learned=30, held_out=2, left_out={"stale": 1, "none": 7}),
        drafts=(comparison,),
    )  # fmt: skip
    html = page(run)
    assert "<script>" not in html
    assert "ROUGE-L 0.50, structure 1.00, sound 1 of 1" in html
    assert "the module" in html
