"""What a conversion takes of memory, stage by stage, on a model of random weights.

    python tests/benchmarks/convert_memory.py [--size 0.5b] [--quant Q8_0] [--repo .] \
        [--place FOLDER]

It writes a model in the shape of Qwen2.5 to disk, a slab of a tensor at a time, and converts it:
first the merge alone and the quantiser alone, which go tensor by tensor, then the command with
all processes it starts, which also runs the model in torch and llama.cpp to check it, and, with a
repository, reads its code for an importance matrix and held-out lines. A mapped file counts in the
resident size as far as it was read, although the system can take those pages back at once; so what
the processes have themselves allocated stands beside it. The bound is 1.5 times the largest tensor
as 32-bit floats, and 500 MB.
"""

import json
import math
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from memory import Memory, memory

from budgetai_core.artifacts.gguf_reader import slabs
from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import StorageError
from budgetai_core.llama.quantizer import QuantizeParams
from budgetai_core.options import option

VOCABULARY = 151_936
SPECIAL = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_sep|>")
# Qwen2's own rule: transformers splits by it whatever the file says.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = 16_000
CODE = Path(__file__).parents[2] / "server"
POLL_SECONDS = 0.05
NOTHING = Memory(0, 0, 0, 0)
MERGE = """
import sys
from pathlib import Path
from budgetai_convert.formats import gguf_writer
from budgetai_convert.model import merge
from budgetai_core.models import base_weights
from budgetai_core.artifacts import base_models
opened = base_weights.open_source(base_models.resolve(sys.argv[1]))
values = merge.merged(opened, None)
gguf_writer.write(Path(sys.argv[2]), opened.metadata, opened.weights, values)
"""


@dataclass(frozen=True)
class Shape:
    """Sizes of a qwen2 model."""

    width: int
    feed_forward: int
    blocks: int
    heads: int
    kv_heads: int = 2

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names as transformers has them, with shapes; head and embedding are one."""
        kv = self.width // self.heads * self.kv_heads
        yield "model.embed_tokens.weight", (VOCABULARY, self.width)
        for block in range(self.blocks):
            name = f"model.layers.{block}"
            for part, rows in (("q", self.width), ("k", kv), ("v", kv)):
                yield f"{name}.self_attn.{part}_proj.weight", (rows, self.width)
                yield f"{name}.self_attn.{part}_proj.bias", (rows,)
            yield f"{name}.self_attn.o_proj.weight", (self.width, self.width)
            yield f"{name}.mlp.gate_proj.weight", (self.feed_forward, self.width)
            yield f"{name}.mlp.up_proj.weight", (self.feed_forward, self.width)
            yield f"{name}.mlp.down_proj.weight", (self.width, self.feed_forward)
            yield f"{name}.input_layernorm.weight", (self.width,)
            yield f"{name}.post_attention_layernorm.weight", (self.width,)
        yield "model.norm.weight", (self.width,)

    def config(self) -> dict[str, object]:
        return {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "torch_dtype": "bfloat16",
            "hidden_size": self.width,
            "intermediate_size": self.feed_forward,
            "num_hidden_layers": self.blocks,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "vocab_size": VOCABULARY,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1e6,
            "tie_word_embeddings": True,
            "hidden_act": "silu",
            "bos_token_id": 0,
            "eos_token_id": 0,
        }


SHAPES = {
    "0.1b": Shape(512, 1408, 8, 8),
    "0.5b": Shape(896, 4864, 24, 14),
    "1.5b": Shape(1536, 8960, 28, 12),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which model, and where there is room for it."""

    size: str = option("0.5b", "size of the model", choices=tuple(SHAPES))
    quant: str = option("Q8_0", "what the whole command makes")
    repo: Path | None = option(None, "repository whose code the whole command reads")
    place: Path | None = option(None, "folder with room for eight bytes per weight", unit="folder")
    whole: bool = option(True, "run the whole command too, with its checks in torch")
    json: bool = option(False, "print the result as JSON")


def make(folder: Path, shape: Shape) -> Path:
    """A model folder of random bfloat16 weights."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(shape.config()))
    _write_tokenizer(folder)
    header, offset = {}, 0
    for name, sizes in shape.tensors():
        end = offset + 2 * math.prod(sizes)
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": (offset, end)}
        offset = end
    told = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(told)) + told)
        for name, sizes in shape.tensors():
            for slab in slabs(math.prod(sizes), 1):
                file.write(_values(name, slab.stop - slab.start, sizes, random).tobytes())
    return folder


def _values(
    name: str, count: int, sizes: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    """bfloat16 as 16-bit integers: norms of one, and rows that keep the size of what goes in."""
    if name.endswith("norm.weight"):
        floats = np.ones(count, np.float32)
    else:
        spread = np.float32(1 / math.sqrt(sizes[-1]))
        floats = random.standard_normal(count, np.float32) * spread
    return (floats.view(np.uint32) >> 16).astype(np.uint16)


def _write_tokenizer(folder: Path) -> None:
    """Of words of this project, so that texts are about as many tokens as with a real one; the
    embedding has rows to spare."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, whole])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train([str(path) for path in sorted(CODE.rglob("*.py"))], trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIAL[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def watched(*command: object) -> tuple[float, Memory]:
    """Run a program of Python; its seconds, and the most memory it had. Raises StorageError."""
    began, most = time.monotonic(), NOTHING
    program = [sys.executable, *map(str, command)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as child:
        while child.poll() is None:
            most = most.at_least(together(child.pid))
            time.sleep(POLL_SECONDS)
    if child.returncode:
        raise StorageError(f"{command[:2]} ended with {child.returncode}")
    return time.monotonic() - began, most


def together(pid: int) -> Memory:
    """The memory of a process and those that it has started, in sum. Until it is another program,
    a child shares the memory of its parent, and would be counted twice."""
    try:
        parent = psutil.Process(pid)
        children = parent.children(recursive=True)
        others = [one.pid for one in children if one.cmdline() != parent.cmdline()]
    except psutil.Error:
        others = []
    found = [NOTHING, *filter(None, map(memory, (pid, *others)))]
    return Memory(*(sum(part) for part in zip(*(vars(one).values() for one in found), strict=True)))


def measured(folder: Path, options: Options) -> dict[str, tuple[float, Memory]]:
    """Each stage by its name."""
    base = make(folder / "base", SHAPES[options.size])
    f16, small, out = (folder / name for name in ("f16.gguf", "small.gguf", "out.gguf"))
    params = json.dumps(asdict(QuantizeParams(quant="Q8_0")))
    found = {
        "merge": watched("-c", MERGE, base, f16),
        "quantise": watched("-m", "budgetai_core.llama.quantizer", f16, small, params),
    }
    f16.unlink()
    small.unlink()
    if options.whole:
        more = ("--repo", options.repo) if options.repo else ()
        found["whole command"] = watched(
            "-m", "budgetai_convert", base, "--quant", options.quant, "--out", out, *more
        )
    return found


def story(options: Options) -> int:
    largest = max(4 * math.prod(sizes) for _, sizes in SHAPES[options.size].tensors())
    bound = 1.5 * largest + 500e6
    folder = Path(tempfile.mkdtemp(prefix="budgetai-memory-", dir=options.place))
    try:
        found = measured(folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        stages = {name: {"seconds": s, **asdict(m)} for name, (s, m) in found.items()}
        print_json({"size": options.size, "bound_mib": bound / 2**20, "stages": stages})
        return 0
    print(f"{options.size}: largest tensor {largest / 2**20:,.0f} MiB in 32 bits, ", end="")
    print(f"bound {bound / 2**20:,.0f} MiB")
    for name, (seconds, most) in found.items():
        told = f"resident {most.rss:7,.0f} MiB, allocated {most.anonymous:7,.0f} MiB"
        print(f"{name:14} {told}, {seconds:6.1f} s")
    return 0


def main(argv: list[str] | None = None) -> int:
    options = parse("convert_memory", "Measure what a conversion takes of memory.", Options, argv)
    return run("convert_memory", lambda: story(options))


if __name__ == "__main__":
    sys.exit(main())
