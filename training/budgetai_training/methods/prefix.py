"""Prefix tuning (Li and Liang 2021): keys and values in front of every prompt, learned directly.

They begin as those of text from the repository, which is better than to begin at random, and the
only thing a prefix of a few tokens can learn in minutes.
"""

from typing import Any

import torch
from peft import (
    PeftModel,
    PrefixTuningConfig,
    get_peft_model,
    initialize_kv_prefix_from_past_key_values,
)


def attach(model: Any, tokens: int) -> PeftModel:
    """A prefix of so many tokens, at random until `begin`."""
    config = PrefixTuningConfig(num_virtual_tokens=tokens, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


@torch.no_grad()
def begin(model: Any, ids: list[int]) -> None:
    """Begin as the keys and values of these tokens; repeated where they are fewer than the
    prefix, left out where there are none."""
    wanted = model.active_peft_config.num_virtual_tokens
    if not ids:
        return
    whole = (ids * (wanted // len(ids) + 1))[:wanted]
    with model.disable_adapter():
        found = model(input_ids=torch.tensor([whole], device=model.device), use_cache=True)
    initialize_kv_prefix_from_past_key_values(model, past_key_values=found.past_key_values)
