"""A base sharded over processes: what each of two holds, and that it says what a whole one says."""

import os
import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from budgetai_core.artifacts.base_models import resolve
from budgetai_training import fsdp, process_group
from budgetai_training.methods import peft_adapter
from budgetai_training.model import load
from budgetai_training.options import TrainOptions
from support import forked

IDS = torch.arange(40)[None]


def meet_and_compare(number: int, folder: Path, meeting: Path) -> None:
    """In one of two processes: compare, and fail there."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=number, world_size=2)
    for load_in in ("bf16", "4bit"):
        _holds_half(folder, load_in)
    dist.destroy_process_group()


def _holds_half(folder: Path, load_in: str) -> None:
    model = peft_adapter.attach(load(resolve(str(folder)), "", load_in).model, TrainOptions(rank=4))
    frozen = {n: p.numel() for n, p in model.named_parameters() if not p.requires_grad}
    with torch.no_grad():
        whole = model(input_ids=IDS).logits
    assert not fsdp.is_sharded(model)
    counted = peft_adapter.parameters(model)
    assert counted == model.get_nb_trainable_parameters()
    fsdp.shard(model, 2)
    assert fsdp.is_sharded(model)
    assert peft_adapter.parameters(model) == counted
    with torch.no_grad():
        sharded = model(input_ids=IDS).logits
    torch.testing.assert_close(sharded, whole)
    # And after a forward pass: what was gathered for it is given up.
    for name, parameter in model.named_parameters():
        in_layer = ".layers." in name
        assert isinstance(parameter, DTensor) == (in_layer and not parameter.requires_grad)
        if isinstance(parameter, DTensor):
            assert parameter.to_local().numel() == frozen[name] / 2


def test_each_process_holds_half_of_the_frozen_layers_and_the_whole_adapter(
    llama: Path, tmp_path: Path
) -> None:
    program = (
        "import pathlib, runpy, sys; number, *paths = sys.argv[1:]; "
        f"compare = runpy.run_path({__file__!r})['meet_and_compare']; "
        "compare(int(number), *map(pathlib.Path, paths))"
    )
    with tempfile.TemporaryFile() as errors:
        both = [
            forked.start("-c", program, number, llama, tmp_path / "meeting", stderr=errors)
            for number in (0, 1)
        ]
        codes = [process.wait(120) for process in both]
        errors.seek(0)
        assert codes == [0, 0], errors.read().decode()


def test_fsdp_is_heeded_where_there_are_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And taken from accelerate, which would shard the adapter too."""
    for number, wanted in ((1, False), (2, True)):
        monkeypatch.setattr(process_group, "world_size", lambda number=number: number)
        monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
        assert process_group.init() == wanted
        assert "ACCELERATE_USE_FSDP" not in os.environ
    assert not process_group.init()
