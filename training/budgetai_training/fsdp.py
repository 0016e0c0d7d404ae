"""A base sharded over processes: each holds its share of every layer, and the whole adapter.

torch's FSDP2 (Zhao et al. 2023, "PyTorch FSDP") for what is frozen, which is what takes the memory;
the adapter is replicated, so its gradients, checkpoints and files are those of plain DDP. Whoever
runs such a model needs all processes to run it at once.
"""

from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel


def shard(model: Any, processes: int) -> None:
    """Shard the frozen parameters of each layer of `model`, adapter included, over all processes.
    Embeddings and the head stay whole: the loss reads the head by itself."""
    mesh = init_device_mesh(model.device.type, (processes,))
    trained = {p for p in model.parameters() if p.requires_grad}
    decoder, layers = _decoder(model)
    for layer in layers:
        fully_shard(layer, mesh=mesh, ignored_params=trained)
    # Without a common root each layer would be one, and a root is not given up after its forward.
    fully_shard(decoder, mesh=mesh, ignored_params=set(decoder.parameters()))


def is_sharded(model: Any) -> bool:
    return any(isinstance(module, FSDPModule) for module in model.modules())


def data_parallel(model: Any) -> DistributedDataParallel:
    """Return `model` with the gradients of its adapter averaged over all processes; what is frozen
    and sharded is none of DDP's business."""
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    buffers = [name for name, _ in model.named_buffers()]
    leave_out: Any = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
    leave_out(model, frozen + buffers)
    return DistributedDataParallel(model)


def _decoder(model: Any) -> tuple[torch.nn.Module, torch.nn.ModuleList]:
    """Return the module that runs the layers, and these."""
    count = model.config.num_hidden_layers
    return next(
        (parent, child)
        for parent in model.modules()
        for child in parent.children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == count
    )
