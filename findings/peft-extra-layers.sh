#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0
#
# Guess: an adapter trained on a model of four layers is refused by one of two layers, or there is at
# least a warning: half of its matrices have no place to go. The other way round there is one.
# Instead: PeftModel.from_pretrained drops them without a word, and the model runs with half an adapter.
#
# Seen on 2026-11-30:
#     4 layers onto 2: 8 matrices in the file, 4 loaded, 0 warnings; 4 onto 6: 1 warning of missing ones
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6 transformers==5.23.0 peft==0.21.2 accelerate==1.15.0 safetensors==0.8.0
cd "$work"
venv/bin/python -W ignore - <<'EOF'
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)


def model(layers):
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2,
    ))


def loaded(layers):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = PeftModel.from_pretrained(model(layers), "adapter")
    told = [str(one.message) for one in caught if "adapter keys" in str(one.message)]
    return sum("lora_" in name for name, _ in made.named_parameters()), len(told)


get_peft_model(model(4), LoraConfig(target_modules=["q_proj"])).save_pretrained("adapter")
with safe_open("adapter/adapter_model.safetensors", "pt") as file:
    stored = len(file.keys())
try:
    (smaller, quiet), (_, told) = loaded(2), loaded(6)
except Exception as error:
    sys.exit(f"CHANGED: refused with {type(error).__name__}")
if (stored, smaller, quiet, told) != (8, 4, 0, 1):
    sys.exit(f"CHANGED: stored {stored}, loaded {smaller}, warnings {quiet} and {told}")
print("holds: 4 layers onto 2: 8 matrices in the file, 4 loaded, 0 warnings;"
      " 4 onto 6: 1 warning of missing ones")
EOF
