"""The importance matrix, and files chosen by measuring them."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from budgetai_convert.checks.divergence import Measured, Reference, sign_test
from budgetai_convert.cli import main
from budgetai_convert.quantize import (
    auto,
    bit_allocation,
    calibration,
    llama_quantize,
    mixed_gguf,
    quantize_report,
)
from budgetai_convert.quantize.auto import Choice, QuantLimits
from budgetai_core.artifacts import gguf_reader, imatrix
from budgetai_core.errors import CheckError
from budgetai_core.llama.quantizer import QuantizeParams
from support import tiny

MakeBase = Callable[..., Path]
TEXTS = [list(range(5, 105)), list(range(300, 400))]


def file(name: str, size: int, kld: float, speed: float) -> Measured:
    exact = (True, False)
    return Measured(
        name=name, size=size, kld=kld, top=0.9, exact=exact, prefill=speed, decode=speed / 4
    )


SLOW, QUICK, ROUGH = (
    file("slow", 90, 0.01, 50),
    file("quick", 60, 0.04, 200),
    file("rough", 40, 0.2, 220),
)


SAID = Reference(Path("unused"), 0, (True, False))


def test_inputs_of_a_matrix_are_summed_as_torch_sees_them(base: MakeBase) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    importance = calibration.collect(base("qwen2", tied=False, kind="gguf"), TEXTS)
    model = AutoModelForCausalLM.from_pretrained(base("qwen2", tied=False), dtype=torch.float32)
    sums: dict[str, torch.Tensor] = {}

    def hook(name: str) -> Callable[..., None]:
        def called(module: object, given: tuple[torch.Tensor, ...]) -> None:
            sums[name] = sums.get(name, 0) + given[0][0].pow(2).sum(0)

        return called

    layer = model.model.layers[1]
    layer.self_attn.v_proj.register_forward_pre_hook(hook("blk.1.attn_v.weight"))
    layer.self_attn.o_proj.register_forward_pre_hook(hook("blk.1.attn_output.weight"))
    layer.mlp.down_proj.register_forward_pre_hook(hook("blk.1.ffn_down.weight"))
    model.lm_head.register_forward_pre_hook(hook("output.weight"))
    with torch.inference_mode():
        for text in TEXTS:
            model(torch.tensor([text]))
    for name, wanted in sums.items():
        assert np.allclose(importance.sums[name], wanted.numpy(), rtol=0.02), name
        assert importance.rows[name] == 200
    assert len(importance.sums) == 2 * 7 + 1


def test_the_matrix_is_read_back_from_its_file(base: MakeBase, tmp_path: Path) -> None:
    importance = calibration.collect(base("llama", kind="gguf"), TEXTS)
    imatrix.write(tmp_path / "imatrix.gguf", importance, "code")
    read = imatrix.read(tmp_path / "imatrix.gguf")
    assert read.rows == importance.rows
    assert all(np.array_equal(read.sums[name], importance.sums[name]) for name in importance.sums)


def test_a_mixture_is_what_llama_cpp_makes_with_overrides(base: MakeBase, tmp_path: Path) -> None:
    """Copied together from pure files, or made at once with a type for each tensor: same bytes."""
    whole, matrix = base("qwen2", kind="gguf"), tmp_path / "imatrix.gguf"
    imatrix.write(matrix, calibration.collect(whole, TEXTS), "code")
    pure = {}
    for kind in ("Q4_0", "Q8_0"):
        pure[kind] = tmp_path / f"{kind}.gguf"
        params = QuantizeParams(quant=kind, pure=True, imatrix=str(matrix))
        llama_quantize.quantize(whole, pure[kind], params, lambda size: None)
    raised = {"blk.0.attn_v.weight": "Q8_0", "token_embd.weight": "Q8_0"}
    mixed_gguf.write(tmp_path / "mix.gguf", pure, raised, "Q4_0")
    params = QuantizeParams(quant="Q4_0", pure=True, imatrix=str(matrix), overrides=raised)
    llama_quantize.quantize(whole, tmp_path / "once.gguf", params, lambda size: None)
    assert (tmp_path / "mix.gguf").read_bytes() == (tmp_path / "once.gguf").read_bytes()
    kinds = {n: t.kind.name for n, t in gguf_reader.read(tmp_path / "mix.gguf").tensors.items()}
    assert {name for name, kind in kinds.items() if kind == "Q8_0"} == set(raised)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (QuantLimits(0.05, 0), "quick"),
        (QuantLimits(0.02, 0), "slow"),
        (QuantLimits(0, 70), "quick"),
        (QuantLimits(0, 0), "quick"),
        (QuantLimits(0.3, 50), "rough"),
    ],
)
def test_what_is_picked(limits: QuantLimits, name: str) -> None:
    assert auto.pick([SLOW, QUICK, ROUGH], limits).name == name


def test_what_nothing_fits_is_said() -> None:
    with pytest.raises(CheckError, match=r"rough takes 0\.0 MB"):
        auto.pick([SLOW, QUICK, ROUGH], QuantLimits(0, 10))
    with pytest.raises(CheckError, match=r"at most 0\.1: rough has 0\.2000"):
        auto.pick([SLOW, QUICK, ROUGH], QuantLimits(0.1, 50))


def test_bytes_go_where_they_save_most() -> None:
    values = {"small": 100, "large": 1000}
    ladders = dict.fromkeys(values, ("Q4_0", "Q5_0", "Q8_0"))
    steps = bit_allocation.path(ladders, values, 1.0, {"small": 0.4, "large": 0.5})
    assert steps[0].types == {"small": "Q4_0", "large": "Q4_0"}
    assert steps[1].types["small"] != "Q4_0" and steps[1].types["large"] == "Q4_0"
    assert steps[-1].types == {"small": "Q8_0", "large": "Q8_0"}
    assert steps[-1].kld == pytest.approx(0.1)
    assert steps[-1].size == pytest.approx(1100 * 8.5 / 8)
    sizes, klds = [s.size for s in steps], [s.kld for s in steps]
    assert sizes == sorted(sizes) and klds == sorted(klds, reverse=True)
    saved = {"small": 0.4, "large": 5.0}
    tight = bit_allocation.path(ladders, values, 9.0, saved, 720)
    assert tight[-1].types == {"small": "Q8_0", "large": "Q4_0"}, "what is too large is passed over"
    uneven = {"small": ("Q4_0", "Q8_0"), "large": ("Q4_0", "Q6_K", "Q8_0")}
    taken = [
        step.types
        for step in bit_allocation.path(uneven, values, 1.0, {"small": 0.1, "large": 0.8})
    ]
    assert {types["large"] for types in taken} == {"Q4_0", "Q6_K", "Q8_0"}
    assert {types["small"] for types in taken} == {"Q4_0", "Q8_0"}
    assert bit_allocation.proposals(steps, 0) == [steps[-1]]
    assert {step.kld <= 0.5 for step in bit_allocation.proposals(steps, 0.5)} == {True}


def test_lines_lost_beyond_chance() -> None:
    assert sign_test([True] * 10, [True] * 10) == 1
    assert sign_test([True] * 10 + [False] * 3, [False] * 8 + [True] * 5) < 0.12
    assert sign_test([True] * 10, [False] * 10) < 0.001


def test_table_and_picture() -> None:
    choice = Choice(
        QUICK, {"values": "Q8_0"}, (SLOW, QUICK, ROUGH), file("F16", 120, 0.0, 40), SAID
    )
    lines = quantize_report.table(choice).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["rough", "*", "slow"]
    assert lines[-1] == "   quick: values Q8_0"
    drawn = ElementTree.fromstring(quantize_report.picture(choice))
    assert len(drawn.findall("{*}circle")) == 3


def test_auto_measures_and_takes_the_best_within_a_size(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny.make_repository(tmp_path)
    adapter = tiny.make_adapter(tmp_path / "adapter", base("qwen2"))
    out, matrix = tmp_path / "out" / "model.gguf", tmp_path / "imatrix.gguf"
    options = ["--repo", root, "--quant", "auto", "--max-size", "0.125", "--imatrix", matrix]
    assert main([str(adapter), *map(str, options), "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    measured = {row["name"]: row for row in result["auto"]["measured"]}
    fitting = [row for row in measured.values() if row["size"] <= 125_000]
    chosen = measured[result["auto"]["chosen"]]
    assert chosen["kld"] == min(row["kld"] for row in fitting)
    assert chosen["size"] == out.stat().st_size < 125_000
    assert chosen["prefill"] > 0 < chosen["decode"]
    assert measured["F16"]["kld"] < 1e-5
    assert measured["Q8_0"]["kld"] < measured["Q4_0"]["kld"]
    assert result["checks"]["held_out_holes"] >= 4
    assert imatrix.read(matrix).sums
    suffixes = {path.suffix for path in out.parent.iterdir()}
    assert suffixes == {".gguf", ".json", ".md", ".Modelfile", ".svg"}
