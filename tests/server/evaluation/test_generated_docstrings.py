"""budgetai-eval --task docstring: held-out docstrings written anew by the server's own code."""

import json
from pathlib import Path

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_server.cli import evaluate
from budgetai_server.evaluation.generated_docstrings import docstring_eval_set
from budgetai_server.evaluation.options import EvalOptions
from support import bundles, tiny

CODE = '''\
"""Prices and what is taken off."""


def discount(price, rate):
    """Take a share of the price off.

    Args:
        price: What the customer pays in cents.
        rate: The share that is taken off.

    Returns:
        The new price in cents.
    """
    return int(price * (1 - rate))


class Order:
    """What a customer has bought at once."""

    def total(self, goods):
        """Add up what all goods cost.

        Args:
            goods: The prices in cents.
        """
        self.sum = sum(goods)

    def nothing(self):
        """Do nothing at all for this kind of order."""


def plain(value):
    return value
'''
SCRIPT = """\
/** Joins the parts of an address into a label. */
export function label(street, city) {
  return `${street}, ${city}`;
}
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "src").mkdir(parents=True)
    (root / "src" / "prices.py").write_text(CODE)
    (root / "src" / "label.js").write_text(SCRIPT)
    return root


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    base = tiny.make_gguf(tiny.make_llama(root / "llama"), root / "llama.gguf")
    entries = [
        bundles.entry("docs", task="docstring"),
        bundles.entry("lines", task="completion"),
    ]
    return bundles.make_bundle(root / "both", base, entries)


def test_questions_are_texts_without_their_docstring(repo: Path) -> None:
    eval_set = docstring_eval_set(EvalOptions(repo=repo), [])
    asked = {question.documentable.name: question for question in eval_set.questions}
    assert set(asked) == {"", "discount", "Order", "total", "nothing", "label"}
    for question in eval_set.questions:
        text = (repo / question.path).read_text()
        summary = question.expected.split("\n")[0]
        assert summary in text
        assert summary not in question.text
        assert question.documentable.docstring is None
        assert question.documentable in documentables(
            ParsedDocument.of(question.text, question.language)
        )
        assert question.style.style in ("google", "jsdoc")


def test_the_seed_draws_the_questions(repo: Path) -> None:
    def drawn(seed: int) -> list[str]:
        eval_set = docstring_eval_set(EvalOptions(repo=repo, holes=3, seed=seed), [])
        return [question.documentable.name for question in eval_set.questions]

    assert len(drawn(0)) == 3
    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(seed)) for seed in range(6)}) > 1


def test_the_base_and_the_adapters_of_the_task_are_judged(
    repo: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--task", "docstring", "--repo", str(repo), "--model", str(bundle), "--holes", "2"]
    assert evaluate.main([*arguments, "--free", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["docstrings"] == 2
    assert [(model["adapter"], model["led"]) for model in report["models"]] == [
        ("", True), ("", False), ("docs", True), ("docs", False),
    ]  # fmt: skip
    for model in report["models"]:
        assert 0 <= model["rouge"]["low"] <= model["rouge"]["mean"] <= model["rouge"]["high"] <= 1
        if model["led"]:
            # The form names what there is, whatever a model without sense says.
            assert model["structure"]["mean"] == model["sound"]["mean"] == 1
            # Of a summary it may say nothing that makes sense; the signature gives no other.
            assert model["silent"] <= 1


def test_a_table_for_people(repo: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--task", "docstring", "--repo", str(repo), "--model", str(bundle / "base.gguf")]
    assert evaluate.main([*arguments, "--holes", "1"]) == 0
    title, head, row = capsys.readouterr().out.splitlines()
    assert title.startswith("1 docstrings; all files")
    assert head.split()[:4] == ["model", "ROUGE-L", "structure", "sound"]
    assert row.startswith("base.gguf  ")


def test_what_cannot_be_judged(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "bare.py").write_text("def f(a):\n    return a\n")
    with pytest.raises(RepositoryError, match="have no docstring"):
        docstring_eval_set(EvalOptions(repo=tmp_path), [])
    with pytest.raises(OptionError, match="--free is about docstrings"):
        EvalOptions(free=True)
