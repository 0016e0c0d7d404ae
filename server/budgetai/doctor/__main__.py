"""What `budgetai doctor` looks at in a process of its own, since llama.cpp may crash there.

`python -P -m budgetai.doctor [MODEL [again]]` prints how llama.cpp was built, and how fast the
model runs: as it was measured before, unless it is to be `again`.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def look(model: Path | None, *, again: bool) -> dict[str, Any]:
    """Return what is known of the build and, with a model, its measured speed, which is kept."""
    from budgetai_core.llama.model import build, ggml_versions, gpu_offload, system_info

    seen: dict[str, Any] = {
        "version": build().partition(" ")[0],
        "system": system_info(),
        "gpu": gpu_offload(),
        "own_library": bool(os.environ.get("LLAMA_CPP_LIB_PATH")),
        "ggml": ggml_versions(),
    }
    if model is not None:
        from budgetai_core.errors import ModelError
        from budgetai_server.inference.local import LocalEngine
        from budgetai_server.inference.profile import forget_speeds
        from budgetai_server.loader import open_model
        from budgetai_server.options import ServerOptions

        if again:
            forget_speeds()
        try:
            engine = open_model(model, ServerOptions()).engine
            assert isinstance(engine, LocalEngine)
            seen |= {"speed": asdict(engine.speed), "threads": engine.threads}
        except ModelError:
            seen["speed"] = None
    return seen


if __name__ == "__main__":
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(json.dumps(look(model, again="again" in sys.argv[2:])))
