#!/usr/bin/env bash
# transformers 5.23.0, tokenizers 0.23.3, torch 2.13.0, gguf 0.19.0
#
# Guess: AutoTokenizer.from_pretrained(folder, gguf_file=...) splits text by the rule that the file names
# (tokenizer.ggml.pre), as llama.cpp does, or warns that it does not know the rule.
# Instead: it knows some rules, qwen2 and llama-bpe for two. For smollm, starcoder, refact and
# deepseek-coder it takes GPT-2's without a word. A number behind an indent has other tokens then than
# the model was trained with: the last space goes to the number, where these rules split digits off first.
#
# Seen on 2026-11-30, for "\n    1" and smollm:
#     ĊĠĠ Ġ Ġ1; by the rule, and in llama.cpp: ĊĠĠĠĠ 1
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6 transformers==5.23.0 tokenizers==0.23.3 gguf==0.19.0
cd "$work"
venv/bin/python -W ignore - 2>err <<'END' || { tail -n 1 err; exit 1; }
import logging
import sys
from pathlib import Path

from gguf import GGUFWriter
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

TEXT = "\n    1"
SILENT = ("smollm", "starcoder", "refact", "deepseek-coder")
MERGES = [("Ġ", "Ġ"), ("Ċ", "ĠĠ"), ("ĊĠĠ", "ĠĠ"), ("Ġ", "1")]
WORDS = sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in MERGES] + ["<end>"]
warnings = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: warnings.append(record.getMessage())
logging.getLogger("transformers").addHandler(handler)


def read(rule):
    folder = Path(rule)
    folder.mkdir()
    writer = GGUFWriter(folder / "a.gguf", "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(WORDS)
    writer.add_token_types([1] * (len(WORDS) - 1) + [3])
    writer.add_token_merges([" ".join(merge) for merge in MERGES])
    writer.add_eos_token_id(len(WORDS) - 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return AutoTokenizer.from_pretrained(rule, gguf_file="a.gguf").tokenize(TEXT)


right = Tokenizer(models.BPE({word: number for number, word in enumerate(WORDS)}, MERGES))
right.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
wanted = right.encode(TEXT).tokens
seen = {rule: read(rule) for rule in (*SILENT, "gpt-2", "qwen2")}
if warnings:
    sys.exit(f"CHANGED: it warns: {warnings[0]}")
if any(seen[rule] != seen["gpt-2"] for rule in SILENT):
    sys.exit(f"CHANGED: not GPT-2's rule: {seen}")
if seen["smollm"] == wanted or seen["qwen2"] == seen["gpt-2"]:
    sys.exit(f"CHANGED: {seen}")
print(f"holds: {' '.join(seen['smollm'])}; by the rule: {' '.join(wanted)}")
END
