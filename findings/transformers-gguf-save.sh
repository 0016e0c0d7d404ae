#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0, gguf 0.19.0
#
# Guess: a model read with from_pretrained(folder, gguf_file=...) has plain float weights and can be
# saved like any other; converting a GGUF file to safetensors is two lines.
# Instead: even where the file has float32 weights, the model counts as quantised and save_pretrained
# refuses. With three fields reset by hand, it saves and reads back the same.
#
# Seen on 2026-11-30:
#     weights torch.float32, save_pretrained: ValueError (quantised with gguf, not serializable)
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6 transformers==5.23.0 accelerate==1.15.0 gguf==0.19.0 safetensors==0.8.0
cd "$work"
venv/bin/python -W ignore - 2>err <<'EOF' || { tail -n 1 err; exit 1; }
import os
import sys

import numpy as np
import torch
from gguf import GGUFWriter
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
WIDTH, INNER, WORDS = 32, 64, 48
SHAPES = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH),
          "attn_output": (WIDTH, WIDTH), "ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH),
          "ffn_down": (WIDTH, INNER), "attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}

os.mkdir("model")
writer = GGUFWriter("model/a.gguf", "llama")
writer.add_context_length(64)
writer.add_embedding_length(WIDTH)
writer.add_block_count(1)
writer.add_feed_forward_length(INNER)
writer.add_head_count(4)
writer.add_head_count_kv(4)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_vocab_size(WORDS)
random = np.random.default_rng(0)
tensors = {"token_embd": (WORDS, WIDTH), "output_norm": (WIDTH,)}
tensors |= {f"blk.0.{name}": shape for name, shape in SHAPES.items()}
for name, shape in tensors.items():
    writer.add_tensor(f"{name}.weight", random.standard_normal(shape).astype(np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

model = AutoModelForCausalLM.from_pretrained("model", gguf_file="a.gguf")
if {p.dtype for p in model.parameters()} != {torch.float32}:
    sys.exit("CHANGED: the weights are no plain float32")
try:
    model.save_pretrained("saved")
    sys.exit("CHANGED: the model can be saved")
except ValueError as error:
    if "not serializable" not in str(error):
        sys.exit("CHANGED: refused for another reason")
model.hf_quantizer = None
model.is_quantized = False
del model.config.quantization_config
model.save_pretrained("saved")
again = AutoModelForCausalLM.from_pretrained("saved")
words = torch.arange(8)[None]
if not torch.equal(model(words).logits, again(words).logits):
    sys.exit("CHANGED: saved by hand, it reads back otherwise")
print("holds: weights torch.float32, save_pretrained: ValueError; three fields reset: saved")
EOF
