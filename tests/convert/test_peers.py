"""Beside llama.cpp's own converters and imatrix. Run with -m big, after its programs have been
built (`programs`)."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from budgetai_convert.formats import lora_gguf
from budgetai_convert.quantize import calibration
from budgetai_core.artifacts import gguf_reader, imatrix
from budgetai_core.artifacts.imatrix import CHUNK
from budgetai_core.llama.scoring import ScoringModel
from support import tiny
from support.programs import BUILT, CACHE, run, vendored

MakeBase = Callable[..., Path]
QWEN = CACHE / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
pytestmark = pytest.mark.big


def test_the_importance_matrix_is_that_of_llama_imatrix(base: MakeBase, tmp_path: Path) -> None:
    model, text = base("qwen2", kind="gguf"), tmp_path / "code.txt"
    text.write_text(tiny.CODE * 8)
    theirs = tmp_path / "theirs.gguf"
    run(BUILT / "llama-imatrix", "-m", model, "-f", text, "-o", theirs, "-c", CHUNK, "-t", 1)
    with ScoringModel(model, vocabulary_only=True) as native:
        tokens = native.beginning() + native.tokenize(text.read_text())
    whole = len(tokens) // CHUNK * CHUNK
    chunks = [tokens[at : at + CHUNK] for at in range(0, whole, CHUNK)]
    ours, wanted = calibration.collect(model, chunks).means(), imatrix.read(theirs).means()
    assert len(wanted) == 2 * 7
    for name, values in wanted.items():
        assert np.corrcoef(values, ours[name])[0, 1] > 0.99, name
        assert np.allclose(values, ours[name], rtol=0.02), name


def test_llama_quantize_reads_the_matrix(base: MakeBase, tmp_path: Path) -> None:
    """And makes the very file that we make."""
    from budgetai_convert.quantize.llama_quantize import quantize
    from budgetai_core.llama.quantizer import QuantizeParams

    model, matrix = base("llama", kind="gguf"), tmp_path / "imatrix.gguf"
    imatrix.write(matrix, calibration.collect(model, [list(range(5, 205))]), "code")
    run(
        *(BUILT / "llama-quantize", "--imatrix", matrix),
        *(model, tmp_path / "theirs.gguf", "Q4_0", 1),
    )
    params = QuantizeParams(quant="Q4_0", imatrix=str(matrix))
    quantize(model, tmp_path / "ours.gguf", params, lambda size: None)
    theirs, ours = (gguf_reader.read(tmp_path / f"{name}.gguf") for name in ("theirs", "ours"))
    assert theirs.tensors.keys() == ours.tensors.keys()
    assert all(np.array_equal(theirs.load(name), ours.load(name)) for name in ours.tensors)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "starcoder2", "granite"])
def test_tensors_are_those_of_convert_hf_to_gguf(
    family: str, base: MakeBase, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs.gguf"
    convert_hf_to_gguf(base(family), theirs)
    assert_alike(family, base(family, kind="gguf"), theirs)


@pytest.mark.parametrize("name", ["smollm2-135m", str(QWEN)], ids=["llama", "qwen2"])
def test_real_tensors_are_those_of_convert_hf_to_gguf(name: str, tmp_path: Path) -> None:
    from budgetai_core.artifacts import base_models
    from budgetai_core.artifacts.layout import unpacked_base
    from budgetai_training.model import shape

    own, ours, theirs = (
        base_models.resolve(name),
        tmp_path / "ours.gguf",
        tmp_path / "theirs.gguf",
    )
    shape(own, own.record().digest, 1)
    folder = unpacked_base(own.record().digest)
    tiny.make_gguf(folder, ours)
    convert_hf_to_gguf(folder, theirs)
    assert_alike(gguf_reader.read(ours).value("general.architecture"), ours, theirs)


def convert_hf_to_gguf(folder: Path, out: Path) -> None:
    """The tokenizer is skipped there: it knows tokenizers by digests of texts of theirs."""
    program = (
        "import sys; sys.argv[0] = sys.argv[1]; sys.argv.pop(1); import runpy; "
        f"sys.path.insert(0, {str(vendored())!r}); import conversion.base as b; "
        "b.TextModel.get_vocab_base_pre = lambda self, tokenizer: 'gpt-2'; "
        "b.TextModel._set_vocab_sentencepiece = b.TextModel._set_vocab_gpt2; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    script = vendored() / "convert_hf_to_gguf.py"
    run(sys.executable, "-c", program, script, folder, "--outfile", out, "--outtype", "f16")


def assert_alike(family: str, ours: Path, theirs: Path) -> None:
    """The same tensors, and the same keys of sizes and tokenizer with the same values."""
    wanted, own = gguf_reader.read(theirs), gguf_reader.read(ours)
    assert own.tensors.keys() == wanted.tensors.keys()
    for name, info in wanted.tensors.items():
        assert (own.tensors[name].shape, own.tensors[name].kind) == (info.shape, info.kind)
        assert np.array_equal(own.load(name), wanted.load(name)), name
    for key in wanted.metadata.keys() & own.metadata.keys():
        if key.startswith((family, "tokenizer.ggml.tok", "tokenizer.ggml.merges")):
            assert own.value(key) == pytest.approx(wanted.value(key)), key


def test_the_adapter_is_that_of_convert_lora_to_gguf(base: MakeBase, tmp_path: Path) -> None:
    from budgetai_convert.model import adapter
    from budgetai_core.artifacts import base_models
    from budgetai_core.models import base_weights

    folder, theirs = base("llama"), tmp_path / "theirs.gguf"
    made = tiny.make_adapter(tmp_path / "adapter", folder)
    script = vendored() / "convert_lora_to_gguf.py"
    run(sys.executable, script, made, "--base", folder, "--outfile", theirs)
    opened = base_weights.open_source(base_models.resolve(str(folder)))
    lora_gguf.write(tmp_path / "ours.gguf", opened, adapter.read(made))
    wanted, own = gguf_reader.read(theirs), gguf_reader.read(tmp_path / "ours.gguf")
    assert own.tensors.keys() == wanted.tensors.keys()
    for name in wanted.tensors:
        assert np.allclose(own.load(name), wanted.load(name), rtol=1e-6), name
    for key in ("adapter.lora.alpha", "adapter.type", "general.type", "general.architecture"):
        assert own.value(key) == wanted.value(key)
