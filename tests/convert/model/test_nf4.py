"""QLoRA's rounding, and the merge that is better with it."""

import json
from pathlib import Path

import numpy as np
import pytest

from budgetai_convert.cli import main
from budgetai_convert.model import adapter as adapters
from budgetai_convert.model import merge, nf4
from budgetai_core.artifacts import base_models, gguf_reader
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.models import base_weights
from support import tiny


def test_values_are_rounded_as_bitsandbytes_rounds_them() -> None:
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    values = np.random.default_rng(0).standard_normal((96, 320), np.float32) * 0.05
    packed, state = quantize_4bit(
        torch.from_numpy(values), blocksize=64, quant_type="nf4", compress_statistics=True
    )
    wanted = dequantize_4bit(packed, state).numpy()
    stored = nf4.rounded(values)
    assert np.mean(np.abs(stored - values)) > 1e-3
    # A value in the middle of two steps may go either way.
    assert np.mean(np.abs(stored - wanted) > 1e-5) < 1e-3
    assert np.allclose(np.median(np.abs(stored - wanted)), 0, atol=1e-7)


def test_the_better_of_two_merges_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, out = tiny.make_qwen2(tmp_path / "base"), tmp_path / "model.gguf"
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    write_json(
        adapter / "manifest.json", read_json(adapter / "manifest.json") | {"load_in": "4bit"}
    )
    root = tiny.make_repository(tmp_path)
    arguments = [str(adapter), "--repo", str(root), "--quant", "F16", "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    plain, rounded = (result["checks"][f"loss_merged_{bits}bit"] for bits in (16, 4))
    assert plain != rounded
    taken = "4-bit" in result["notes"]["merged_into"]
    assert taken == (rounded < plain)
    opened, name = base_weights.open_source(base_models.resolve(str(base))), "blk.0.attn_v.weight"
    both = (merge.merged(opened, adapters.read(adapter), four_bits=b) for b in (False, True))
    values = [next(v for w, v in pairs if w.name == name) for pairs in both]
    stored = gguf_reader.read(out).load(name)
    assert np.allclose(stored, values[taken], rtol=1e-3, atol=1e-4)
    assert not np.allclose(stored, values[not taken], rtol=1e-3, atol=1e-4)
