"""An adapter as a GGUF file, to be laid over its base by llama.cpp.

llama.cpp scales an update by `adapter.lora.alpha` over the rank of its B; whatever an update's
scale differs from that (rsLoRA, patterns) is multiplied into B.
"""

from pathlib import Path

import gguf
import numpy as np

from budgetai_convert.model import merge
from budgetai_convert.model.adapter import Adapter
from budgetai_core.errors import AdapterError
from budgetai_core.models.base_weights import Source


def write(path: Path, source: Source, adapter: Adapter) -> None:
    """Write the adapter, float32 as it was trained. Raises AdapterError for DoRA, whose lengths
    depend on the base, and as `merge.placed` does."""
    updates = merge.placed(source, adapter)
    if any(update.lengths for _, update in updates.values()):
        raise AdapterError(
            f"the adapter {adapter.folder.name} is a DoRA, which GGUF cannot hold apart",
            "Leave --bundle out",
        )
    first = next(iter(updates.values()))[1]
    alpha = first.scale * first.a.shape[0]
    writer = gguf.GGUFWriter(path, source.sizes.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, (module, update) in updates.items():
        a, b = update.load(module)
        b = source.sizes.in_file_order(name, b) * np.float32(a.shape[0] / alpha)
        writer.add_tensor(f"{name}.lora_a", np.ascontiguousarray(a))
        writer.add_tensor(f"{name}.lora_b", np.ascontiguousarray(b))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
