"""Our files in llama.cpp's own programs. Run with -m big, after these have been built."""

from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import pytest

from budgetai_convert.cli import main
from budgetai_core.artifacts import gguf_reader
from budgetai_core.llama.scoring import ScoringModel
from support import tiny
from support.programs import BUILT, ask, run, serving

MakeBase = Callable[..., Path]
pytestmark = pytest.mark.big
COUNT = 8


def greedy(model: Path, lora: Path | None = None) -> tuple[list[int], list[int]]:
    """A prompt's tokens, and those that follow by the greatest logits."""
    with ScoringModel(model, lora=lora) as native:
        prompt = native.tokenize(tiny.CODE[:120])
        return prompt, native.greedy(prompt, COUNT)


def assert_says(address: str, prompt: list[int], wanted: list[int]) -> None:
    """The server stops at what ends a text, as repository names and file separators do."""
    settings = {"n_predict": COUNT, "temperature": 0, "return_tokens": True}
    tokens = ask(f"{address}/completion", prompt=prompt, **settings)["tokens"]
    assert tokens
    assert tokens == wanted[: len(tokens)]
    assert len(tokens) == COUNT or tokens[-1] < len(tiny.QWEN2_SPECIAL)


@pytest.mark.parametrize("quant", ["F16", "Q8_0", "Q4_0"])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "starcoder2", "granite"])
def test_llama_server_says_what_the_file_says(
    family: str, quant: str, base: MakeBase, tmp_path: Path
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base(family))
    model = tmp_path / "model.gguf"
    assert main([str(adapter), "--quant", quant, "--out", str(model)]) == 0
    prompt, wanted = greedy(model)
    with serving("-m", model) as address:
        assert_says(address, prompt, wanted)


def test_llama_server_lays_the_adapter_of_a_bundle_over_its_base(
    base: MakeBase, tmp_path: Path
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("qwen2"))
    bundle = tmp_path / "bundle"
    assert main([str(adapter), "--bundle", "--out", str(bundle)]) == 0
    (lora,) = (path for path in bundle.glob("*.gguf") if path.name != "base.gguf")
    prompt, wanted = greedy(bundle / "base.gguf", lora)
    assert greedy(bundle / "base.gguf")[1] != wanted
    with serving("-m", bundle / "base.gguf", "--lora", lora) as address:
        assert_says(address, prompt, wanted)


def test_llama_server_fills_in_the_middle_by_the_files_own_tokens(
    base: MakeBase, tmp_path: Path
) -> None:
    for family, refused in (("qwen2", False), ("starcoder2", False), ("llama", True)):
        model = tmp_path / f"{family}.gguf"
        assert main([str(base(family)), "--quant", "F16", "--out", str(model)]) == 0
        with serving("-m", model) as address:
            question = {"input_prefix": "def mean(", "input_suffix": "):", "n_predict": 4}
            if refused:
                with pytest.raises(HTTPError):
                    ask(f"{address}/infill", **question)
            else:
                assert ask(f"{address}/infill", **question)["tokens_predicted"] == 4


def test_tools_read_the_file(base: MakeBase, tmp_path: Path) -> None:
    model, text = tmp_path / "model.gguf", tmp_path / "code.txt"
    text.write_text(tiny.CODE * 8)
    assert main([str(base("qwen2")), "--quant", "Q8_0", "--out", str(model)]) == 0
    assert "qwen2" in run(BUILT / "llama-bench", "-m", model, "-p", 8, "-n", 2, "-t", 1, "-r", 1)
    run(BUILT / "llama-perplexity", "-m", model, "-f", text, "-c", 64, "-t", 1)
    again = tmp_path / "again.gguf"
    run(BUILT / "llama-quantize", "--allow-requantize", model, again, "Q4_0", 1)
    ours, theirs = (gguf_reader.read(path) for path in (model, again))
    assert theirs.tensors.keys() == ours.tensors.keys()
    assert {info.kind.name for info in theirs.tensors.values()} >= {"Q4_0"}
