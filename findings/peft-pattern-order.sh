#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0
#
# Guess: an adapter that is saved and loaded computes what it did. Where two keys of alpha_pattern fit a
# layer, the first one counts, so that an exception stands before its rule.
# Instead: save_pretrained sorts the keys. The rule may stand first then, and the layer is scaled by it,
# without a word. With rank_pattern, the shapes differ, and the adapter's own folder is refused.
#
# Seen on 2026-11-30, alpha 64 for layer 1 before 8 for every layer, rank 4:
#     layer 1 is scaled by 16.0, loaded again by 2.0; the same with rank_pattern: RuntimeError
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6 transformers==5.23.0 peft==0.21.2 accelerate==1.15.0 safetensors==0.8.0
cd "$work"
venv/bin/python -W ignore - <<'END'
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)
EXCEPTION, RULE = "layers.1.self_attn.q_proj", "layers.*.q_proj"


def base():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )).eval()


def adapted(**patterns):
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False, **patterns)
    return get_peft_model(base(), config).eval()


def scaling(model):
    return model.base_model.model.model.layers[1].self_attn.q_proj.scaling["default"]


made = adapted(alpha_pattern={EXCEPTION: 64, RULE: 8})
made.save_pretrained("alpha")
again = PeftModel.from_pretrained(base(), "alpha").eval()
words = torch.arange(8)[None]
same = torch.allclose(made(words).logits, again(words).logits, atol=1e-5)
if (scaling(made), scaling(again), same) != (16.0, 2.0, False):
    sys.exit(f"CHANGED: scaled by {scaling(made)}, loaded again by {scaling(again)}; same: {same}")

adapted(rank_pattern={EXCEPTION: 2, RULE: 8}).save_pretrained("rank")
try:
    PeftModel.from_pretrained(base(), "rank")
    sys.exit("CHANGED: with rank_pattern, it is loaded")
except RuntimeError as error:
    if "size mismatch" not in str(error):
        sys.exit("CHANGED: with rank_pattern, refused for another reason")
print(f"holds: layer 1 is scaled by {scaling(made)}, loaded again by {scaling(again)};"
      " the same with rank_pattern: RuntimeError")
END
