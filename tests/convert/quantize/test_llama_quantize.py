"""The size of a quantised file before it is there, and what is said when it cannot be made."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from budgetai_convert.options import QUANTS
from budgetai_convert.quantize import llama_quantize
from budgetai_convert.quantize.file_size import expected_size, tensor_size
from budgetai_core.artifacts import gguf_reader
from budgetai_core.errors import BudgetAIError, ModelError, StorageError
from budgetai_core.llama.quantizer import QuantizeParams
from support import tiny


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The 16-bit file of a model of a width, made when first asked for."""
    place = tmp_path_factory.mktemp("merged")

    def get(width: int) -> Path:
        path = place / f"{width}.gguf"
        if not path.exists():
            tiny.make_gguf(tiny.make_llama(place / str(width), hidden=width), path)
        return path

    return get


def tensor_bytes(path: Path) -> int:
    return sum(info.size for info in gguf_reader.read(path).tensors.values())


@pytest.mark.parametrize("quant", ["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_S", "Q6_K", "IQ4_XS", "Q4_0"])
@pytest.mark.parametrize("width", [80, 96, 512], ids=["odd", "narrow", "wide"])
def test_the_expected_size_is_that_of_the_file(
    width: int, quant: str, merged: Callable[[int], Path], tmp_path: Path
) -> None:
    """Of the widths no blocks divide the first, those of 32 the second, those of 256 the third."""
    source, out = merged(width), tmp_path / "out.gguf"
    llama_quantize.quantize(source, out, QuantizeParams(quant=quant), lambda size: None)
    shapes = {name: info.shape for name, info in gguf_reader.read(source).tensors.items()}
    assert expected_size(shapes, quant) == pytest.approx(tensor_bytes(out), rel=0.04)


def test_types_take_the_bytes_that_their_width_allows() -> None:
    assert {quant: tensor_size((8, 48), quant) for quant in ("Q2_K", "Q6_K", "Q4_0", "F16")} == (
        dict.fromkeys(("Q2_K", "Q6_K", "Q4_0", "F16"), 8 * 48 * 2)
    )
    assert tensor_size((8, 64), "Q2_K") == 8 * 64 * 4.5 / 8
    assert tensor_size((8, 64), "Q6_K") == 8 * 64 * 8.5 / 8
    assert tensor_size((64,), "Q2_K") == 4 * 64
    sizes = [expected_size({"output.weight": (99, 256)}, quant) for quant in QUANTS]
    assert min(sizes) > 0


@pytest.mark.parametrize(
    ("code", "log", "kind", "message"),
    [
        (-signal.SIGKILL, b"", ModelError, "it was killed. Is there enough free memory?"),
        (-signal.SIGABRT, b"", ModelError, "it ended with SIGABRT"),
        (1, b"a\nfailed to quantize: no such tensor\nb\n", ModelError, "no such tensor"),
        (3, b"", ModelError, "exit code 3"),
    ],
    ids=["killed", "aborted", "told", "silent"],
)
def test_what_ended_the_quantiser_is_said(
    code: int, log: bytes, kind: type[BudgetAIError], message: str, tmp_path: Path
) -> None:
    error = llama_quantize._failure(code, log, tmp_path / "out.gguf", "Q8_0")
    assert isinstance(error, kind)
    assert message in str(error) and "free space" not in str(error)


def test_a_folder_that_is_gone(merged: Callable[[int], Path], tmp_path: Path) -> None:
    target = tmp_path / "gone" / "out.gguf"
    with pytest.raises(StorageError, match="Q8_0 file: No such file or directory"):
        llama_quantize.quantize(merged(96), target, QuantizeParams(quant="Q8_0"), lambda size: None)
