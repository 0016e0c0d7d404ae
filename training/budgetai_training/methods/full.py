"""Plain fine-tuning: every linear layer and norm of the blocks, what LoRA is measured against.

Each layer is copied, the copy is trained in 32 bits (a step of 1e-5 is lost in bf16), and the base
stays beside it for comparison. Embeddings and head are not trained, as with the other methods.
"""

import warnings
from typing import Any

from peft import LNTuningConfig, PeftModel, get_peft_model


def attach(model: Any) -> PeftModel:
    with warnings.catch_warnings():
        # peft's tuning of norms copies whole layers; it warns of each that is none of torch's own.
        warnings.simplefilter("ignore", UserWarning)
        made = get_peft_model(
            model, LNTuningConfig(target_modules=layers(model), task_type="CAUSAL_LM")
        )
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return made


def layers(model: Any) -> list[str]:
    """Names of all layers with weights but for the embeddings and the head."""
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    return [
        name
        for name, part in model.named_modules()
        if "weight" in dict(part.named_parameters(recurse=False)) and id(part) not in ends
    ]
