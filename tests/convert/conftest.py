"""A home of their own for these tests, and tiny bases made once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from budgetai_convert.checks import agreement, check_texts, readings, reference
from budgetai_convert.checks.agreement import Agreement
from budgetai_convert.checks.readings import CheckText
from budgetai_core.llama.scoring import ScoringModel
from support import tiny

# Two cores are shared with whatever else runs; spinning on both makes tiny models slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

MAKERS = {
    "llama": tiny.make_llama,
    "qwen2": tiny.make_qwen2,
    "qwen3": tiny.make_qwen3,
    "starcoder2": tiny.make_starcoder2,
    "granite": tiny.make_granite,
    "llama3": tiny.make_llama3,
    "linear": tiny.make_linear,
    "mistral": tiny.make_mistral,
    "smollm3": tiny.make_smollm3,
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """A tiny base by family, tied or not, as a folder or a GGUF file; made when first asked for.
    Tests that change a base must copy it."""
    place = tmp_path_factory.mktemp("bases")
    made: dict[tuple[str, bool, str], Path] = {}

    def get(family: str, *, tied: bool = True, kind: str = "folder", quant: str = "F16") -> Path:
        key = (family, tied, kind + quant)
        if key not in made:
            name = f"{family}-{'tied' if tied else 'untied'}"
            if kind == "folder":
                made[key] = MAKERS[family](place / name, tied=tied)
            else:
                folder = get(family, tied=tied)
                made[key] = tiny.make_gguf(folder, place / f"{name}-{quant}.gguf", quant)
        return made[key]

    yield get


@pytest.fixture
def compared(tmp_path: Path) -> Callable[..., Agreement]:
    """How near an open file is to what torch makes of a base and an adapter."""

    def compare(native: ScoringModel, of: Path, adapter: Path | None) -> Agreement:
        texts = [CheckText(tuple(native.tokenize(text))) for text in check_texts.PROMPTS[:2]]
        generated, _ = readings.generate(native, texts, 5, tmp_path / "readings.f32")
        answers = reference.answers(of, adapter, generated, tmp_path)
        read = readings.read(native, texts, answers)
        return agreement.joined(
            [
                agreement.rate(answer, reading.answered)
                for answer, reading in zip(answers, read, strict=True)
            ]
        )

    return compare
