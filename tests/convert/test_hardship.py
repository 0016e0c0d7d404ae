"""Killed at any stage, two at once, folders that cannot be written, and files from strangers."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from budgetai_convert.cli import main
from budgetai_convert.leftovers import locked
from budgetai_convert.quantize import mixed_gguf
from budgetai_core.artifacts import base_models, gguf_reader, imatrix
from budgetai_core.errors import BaseError
from budgetai_core.llama.quantizer import QuantizeParams
from budgetai_core.models import base_weights
from support import forked, tiny

MakeBase = Callable[..., Path]


# What is about to be done when a conversion dies, from its first tensor to its last file.
STAGES = (
    "formats.gguf_writer._encoded",
    "checks.reference.answers",
    "quantize.calibration.collect",
    "checks.divergence.keep_reference",
    "quantize.mixed_gguf.write",
    "convert.Conversion._check_quantised",
    "convert.ModelManifest.write",
)
# Libraries run in no process that is forked.
KILLING = f"""
import os, pkgutil, signal, sys
from pathlib import Path
from budgetai_convert.leftovers import locked
from budgetai_convert.cli import main

folder = Path(sys.argv[-1]).parent
for stage in {STAGES}:
    child = os.fork()
    if not child:
        place, _, name = stage.rpartition(".")
        owner = pkgutil.resolve_name(f"budgetai_convert.{{place}}")
        assert hasattr(owner, name), stage
        setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        kind = "auto" if stage == "quantize.mixed_gguf.write" else "Q4_0"
        sys.exit(main(["--quant", kind, *sys.argv[1:]]))
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, stage
    left = {{path.name for path in folder.iterdir()}}
    assert {{".model.gguf.lock"}} < left, (stage, left)
    with locked(folder / "model.gguf"):
        pass
    assert not list(folder.iterdir()), stage
"""


def test_killed_in_any_stage_it_leaves_no_file_and_the_next_one_clears_up(
    base: MakeBase, tmp_path: Path
) -> None:
    adapter, repo = tmp_path / "adapter", tiny.make_repository(tmp_path)
    tiny.make_adapter(adapter, base("llama"))
    out = tmp_path / "out" / "model.gguf"
    arguments = [adapter, "--repo", repo, "--out", out]
    done = forked.run("-c", KILLING, *arguments, timeout=None)
    assert done.returncode == 0, done.stderr


def test_the_quantiser_killed(
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a system without memory does it."""
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    monkeypatch.setattr(
        "budgetai_convert.quantize.llama_quantize._running", lambda child: child.kill()
    )
    assert main([str(adapter), "--out", str(tmp_path / "out" / "model.gguf")]) == 2
    assert "could not write the Q8_0 file: it was killed" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_quantiser_ends_with_its_parent(tmp_path: Path) -> None:
    """However the parent went, its end of a pipe closes. The file is one that never comes."""
    os.mkfifo(tmp_path / "never.gguf")
    params = json.dumps(dataclasses.asdict(QuantizeParams(quant="Q8_0")))
    arguments = [str(tmp_path / name) for name in ("never.gguf", "out.gguf")]
    program = [sys.executable, "-m", "budgetai_core.llama.quantizer", *arguments, params]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 1


def test_two_at_once(base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    out = tmp_path / "model.gguf"
    with locked(out):
        assert main([str(adapter), "--out", str(out)]) == 2
        assert f"another conversion is writing {out}" in capsys.readouterr().err
        half = tmp_path / ".model.gguf.half"
        half.touch()
        with locked(tmp_path / "other.gguf"):
            assert half.exists(), "it belongs to the one that is at work"
    assert not out.exists()


def test_a_folder_that_cannot_be_written(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    assert main([str(adapter), "--out", "/proc/model.gguf"]) == 2
    assert "cannot write to /proc" in capsys.readouterr().err


def test_a_disk_too_small_for_auto(
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: Full())
    arguments = [str(adapter), "--quant", "auto", "--out", str(tmp_path / "model.gguf")]
    assert main(arguments) == 2
    assert "the disk is full: converting needs 1 MB" in capsys.readouterr().err


class Full:
    free = 0


def test_auto_without_code_to_measure_on(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    assert main([str(adapter), "--quant", "auto", "--out", str(tmp_path / "model.gguf")]) == 2
    assert "needs held-out code to measure on. Name the repository" in capsys.readouterr().err
    assert main([str(adapter), "--max-size", "5"]) == 2
    assert "--max-size is for --quant auto" in capsys.readouterr().err


def test_a_stranger_s_file_is_read_or_refused(base: MakeBase, tmp_path: Path) -> None:
    """Bytes of the header changed, numbers blown up, the file cut: every reader of ours either
    takes the file, or says in one line what is wrong, and never asks for memory the file has not.
    """
    whole = base("qwen2", kind="gguf").read_bytes()
    random, path = np.random.default_rng(1), tmp_path / "stranger.gguf"
    end = min(info.offset for info in gguf_reader.read(base("qwen2", kind="gguf")).tensors.values())
    huge = [b"\xff" * 8, (1 << 62).to_bytes(8, "little"), b"\x00" * 8]
    taken = 0
    for trial in range(240):
        data = bytearray(whole)
        for place in random.integers(4, end - 8, 1 + trial % 4):
            if trial % 3:
                data[place] = int(random.integers(256))
            else:
                data[place : place + 8] = huge[trial % 9 // 3]
        path.write_bytes(data[: int(random.integers(end))] if trial % 5 == 4 else data)
        try:
            opened = base_weights.open_source(base_models.Base("stranger.gguf", "gguf", path))
            assert all(np.prod(w.shape) * 4 <= 4 * len(whole) for w in opened.weights)
            mixed_gguf.write(tmp_path / "copy.gguf", {"one": path}, {}, "one")
            taken += 1
        except BaseError:
            continue
    assert 10 < taken < 200


def test_a_stranger_s_matrix_is_read_or_refused(base: MakeBase, tmp_path: Path) -> None:
    path, columns = tmp_path / "imatrix.gguf", np.ones(64, np.float32)
    imatrix.write(
        path, imatrix.Importance({"blk.0.ffn_up.weight": columns}, {"blk.0.ffn_up.weight": 9}), ""
    )
    whole, random = path.read_bytes(), np.random.default_rng(2)
    for _ in range(200):
        data = bytearray(whole)
        for place in random.integers(4, len(data), 3):
            data[place] = int(random.integers(256))
        path.write_bytes(data)
        try:
            assert all(len(mean) <= 64 for mean in imatrix.read(path).means().values())
        except BaseError:
            continue
