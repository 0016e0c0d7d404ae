"""Mistakes of the user and of files: one line, exit code 2, and nothing at the final name."""

import json
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from budgetai_convert.cli import main
from budgetai_convert.options import QUANTS
from budgetai_core.artifacts.atomic_write import read_json, write_json
from support import forked, tiny

MakeBase = Callable[..., Path]


class Convert:
    """Runs the command, expects it to refuse, and returns its one line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def refuses(self, *arguments: object, out: Path | None = None) -> str:
        place = out or self.folder / "out" / "model.gguf"
        code = main([*map(str, arguments), "--out", str(place)])
        printed = self.capsys.readouterr()
        assert code == 2, printed
        assert printed.out == ""
        lines = printed.err.splitlines()
        assert len(lines) == 1, printed.err
        assert not place.is_file()
        assert not list(self.folder.glob("**/.*.tmp"))
        return lines[0].removeprefix("budgetai-convert: ")


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Convert:
    return Convert(tmp_path, capsys)


@pytest.fixture(scope="session")
def made(base: MakeBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny llama folder, made once; `adapter` is a copy to break."""
    return tiny.make_adapter(tmp_path_factory.mktemp("made") / "adapter", base("llama"))


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "adapter"))


def edit_json(path: Path, **changes: object) -> None:
    write_json(path, read_json(path) | changes)


def edit_weights(adapter: Path, change: Callable[[str, np.ndarray], np.ndarray]) -> None:
    path = adapter / "adapter_model.safetensors"
    save_file({key: change(key, value) for key, value in load_file(path).items()}, path)


def test_unknown_quant(convert: Convert, adapter: Path) -> None:
    line = convert.refuses(adapter, "--quant", "Q9_9")
    assert line.startswith("unknown quantisation 'Q9_9'. Use one of auto, F16, BF16, Q8_0")


def test_every_quant_named_is_one_llama_cpp_has() -> None:
    import llama_cpp

    assert all(hasattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}") for name in QUANTS)


def test_no_adapter(convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Run budgetai-train first" in convert.refuses()
    assert "no adapter folder" in convert.refuses(tmp_path / "absent")
    assert "no such repository" in convert.refuses("--repo", tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "no manifest.json" in convert.refuses(tmp_path / "empty")


def test_prompt_format_of_another_version(convert: Convert, adapter: Path) -> None:
    edit_json(adapter / "manifest.json", prompt_format=99)
    assert "was trained on prompt format 99" in convert.refuses(adapter)


def test_base_that_has_changed(convert: Convert, tmp_path: Path) -> None:
    base = tiny.make_llama(tmp_path / "base")
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    tiny.make_llama(tmp_path / "base", seed=5)
    assert "is not the one the adapter was trained on" in convert.refuses(adapter)


def test_base_that_is_gone(convert: Convert, tmp_path: Path) -> None:
    base = tiny.make_llama(tmp_path / "base")
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    shutil.rmtree(base)
    assert "unknown base" in convert.refuses(adapter)


def test_adapter_with_nan(convert: Convert, adapter: Path) -> None:
    edit_weights(adapter, lambda key, v: v * np.float32("nan") if "k_proj.lora_B" in key else v)
    assert re.match(
        r"the adapter holds NaN .* k_proj|the adapter holds NaN", convert.refuses(adapter)
    )


def test_adapter_with_other_shapes(convert: Convert, adapter: Path) -> None:
    edit_weights(adapter, lambda key, v: v[:, :32].copy() if "q_proj.lora_A" in key else v)
    assert "belongs to another base" in convert.refuses(adapter)


def test_adapter_with_another_rank(convert: Convert, adapter: Path) -> None:
    edit_weights(adapter, lambda key, v: v[:2].copy() if "q_proj.lora_A" in key else v)
    assert "configuration says rank 4" in convert.refuses(adapter)


def test_adapter_of_a_deeper_model(convert: Convert, adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({key.replace("layers.1.", "layers.7."): v for key, v in tensors.items()}, path)
    assert "layers.7." in convert.refuses(adapter)


@pytest.mark.parametrize(
    "setting",
    [{"lora_bias": True}, {"bias": "all"}, {"use_qalora": True}, {"peft_type": "IA3"}],
    ids=lambda setting: next(iter(setting)),
)
def test_adapter_that_is_not_plain_lora(
    setting: dict[str, object], convert: Convert, adapter: Path
) -> None:
    edit_json(adapter / "adapter_config.json", **setting)
    assert "Only LoRA, rsLoRA and DoRA can be merged" in convert.refuses(adapter)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            {"rank_pattern": ["q_proj"]},
            "rank_pattern is \"['q_proj']\". Write an object of numbers",
        ),
        ({"alpha_pattern": {"q_proj": "8"}}, "alpha_pattern is "),
        ({"lora_alpha": True}, "lora_alpha is 'True'. Write a number"),
        ({"r": "4"}, "r is '4'. Write a whole number"),
        ({"use_rslora": "yes"}, "use_rslora is 'yes'. Write true or false"),
        ({"target_modules": 7}, "target_modules is '7'. Write a list of names"),
        ({"layers_to_transform": ["a"]}, "layers_to_transform is "),
        ({"revision": 7}, "revision is '7'. Write a text"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_of_another_type_are_named_by_their_key(
    setting: dict[str, object], told: str, convert: Convert, adapter: Path
) -> None:
    edit_json(adapter / "adapter_config.json", **setting)
    assert f"/adapter_config.json: {told}" in convert.refuses(adapter)


def test_nulls_of_an_adapter_are_the_defaults_of_peft(adapter: Path, tmp_path: Path) -> None:
    keys = ("rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "fan_in_fan_out", "bias",
            "lora_dropout", "inference_mode", "layers_to_transform", "revision")  # fmt: skip
    edit_json(adapter / "adapter_config.json", **dict.fromkeys(keys))
    assert main([str(adapter), "--quant", "F16", "--out", str(tmp_path / "model.gguf")]) == 0


def test_adapter_weights_cut_short(convert: Convert, adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole + b"more")
    assert "goes on behind its last tensor" in convert.refuses(adapter)
    path.write_bytes(whole[:-100])
    assert "cut short" in convert.refuses(adapter)
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    assert "cut short" in convert.refuses(adapter)
    path.unlink()
    assert "no adapter_model.safetensors" in convert.refuses(adapter)


def test_a_base_whose_weights_are_not_whole(convert: Convert, tmp_path: Path) -> None:
    base = tiny.make_llama(tmp_path / "base")
    path = base / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "model.safetensors is cut short or broken" in convert.refuses(base)
    path.write_bytes(whole[:4])
    assert "model.safetensors is cut short or broken" in convert.refuses(base)
    path.write_bytes(whole[:8] + b"[" + whole[9:])
    assert "its header cannot be read" in convert.refuses(base)
    path.write_bytes(whole.replace(b'"F32"', b'"I32"'))
    assert "holds I32 in" in convert.refuses(base)
    path.unlink()
    assert "there are no .safetensors files" in convert.refuses(base)


def test_any_byte_of_a_safetensors_header_may_be_wrong(tmp_path: Path) -> None:
    """Reading it ends in the error that was asked for, or in tensors that lie in the file."""
    from budgetai_core.artifacts import safetensors_reader
    from budgetai_core.errors import AdapterError

    path, random = tmp_path / "w.safetensors", np.random.default_rng(3)
    save_file({f"layer{i}": np.ones((3, 4), np.float16) for i in range(6)}, path)
    whole = path.read_bytes()
    end = struct.unpack_from("<Q", whole)[0] + 8
    taken = 0
    for trial in range(400):
        data = bytearray(whole)
        for place in random.integers(0 if trial % 4 == 0 else 8, end, 1 + trial % 3):
            data[place] = int(random.integers(256) if trial % 2 else random.choice([*b"0129-.,"]))
        path.write_bytes(data[: int(random.integers(len(data)))] if trial % 9 == 8 else data)
        try:
            read_tensors = safetensors_reader.read(path, AdapterError)
        except AdapterError:
            continue
        taken += 1
        for tensor in read_tensors.values():
            assert tensor.load().nbytes <= 8 * len(data)
    assert 5 < taken < 200


def broken_base(adapter: Path, tmp_path: Path, change: Callable[[bytearray], bytes]) -> Path:
    """Make the adapter one of a GGUF base with `change` made to its bytes, digest and all."""
    from budgetai_core.artifacts import base_models

    path = tmp_path / "broken.gguf"
    whole = tiny.make_gguf(tmp_path / "base", path) if not path.exists() else path
    path.write_bytes(change(bytearray(whole.read_bytes())))
    record = base_models.resolve(str(path)).record() if path.read_bytes()[:4] == b"GGUF" else None
    changed = read_json(adapter / "manifest.json")
    location = {"kind": "gguf", "location": str(path), "digest": record.digest if record else ""}
    write_json(adapter / "manifest.json", changed | {"base": location})
    return path


def counted(data: bytearray, at: int, code: str, value: int) -> bytes:
    struct.pack_into(code, data, at, value)
    return bytes(data)


def test_gguf_bases_that_are_not_whole(convert: Convert, adapter: Path, tmp_path: Path) -> None:
    tiny.make_llama(tmp_path / "base")
    changes: dict[str, Callable[[bytearray], bytes]] = {
        "is not a GGUF file": lambda data: b"PK\3\4" + bytes(data[4:]),
        "is cut short or broken": lambda data: bytes(data[:-200]),
        "is cut short": lambda data: bytes(data[:3000]),
        "is broken": lambda data: counted(data, 8, "<Q", 1 << 62),
        "broken. Fetch the file again": lambda data: counted(data, 16, "<Q", 1 << 62),
        "of GGUF version 77": lambda data: counted(data, 4, "<I", 77),
        "cut short or": lambda data: counted(data, 24, "<Q", (1 << 63) + 5),
    }
    for message, change in changes.items():
        (tmp_path / "broken.gguf").unlink(missing_ok=True)
        broken_base(adapter, tmp_path, change)
        assert message in convert.refuses(adapter)


def test_gguf_base_of_another_architecture(convert: Convert, adapter: Path, tmp_path: Path) -> None:
    tiny.make_llama(tmp_path / "base")
    broken_base(adapter, tmp_path, lambda data: bytes(data.replace(b"llama", b"gemma")))
    line = convert.refuses(adapter)
    assert "is a model of type gemma. Supported: llama" in line


def test_any_byte_of_the_header_may_be_wrong(tmp_path: Path) -> None:
    """Whatever stands in the header, reading it ends in a BaseError or in a header that fits."""
    from budgetai_core.artifacts import gguf_reader
    from budgetai_core.errors import BaseError

    path = tiny.make_gguf(tiny.make_llama(tmp_path / "base"), tmp_path / "base.gguf")
    whole, random = path.read_bytes(), np.random.default_rng(0)
    tensors = gguf_reader.read(path).tensors
    end = min(info.offset for info in tensors.values())
    for _ in range(300):
        data = bytearray(whole)
        for place in random.integers(4, end, 8):
            data[place] = int(random.integers(256))
        path.write_bytes(data)
        try:
            for info in gguf_reader.read(path).tensors.values():
                assert info.offset + info.size <= len(data)
        except BaseError:
            continue


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gemma"}, "is a model of type gemma. Supported: llama"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 8}}, "rope scaled as yarn"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8}}, "usable 'low_freq_factor'"),
        ({"rope_parameters": [8]}, "config.json: rope_parameters is '[8]'"),
        ({"hidden_size": 128}, "is broken: "),
        ({"num_hidden_layers": 3}, "lacks the tensor blk.2"),
        ({"num_hidden_layers": 10**9}, "sizes that make no model"),
        ({"num_attention_heads": None}, "config.json: num_attention_heads is missing"),
        ({"vocab_size": "600"}, "config.json: vocab_size is '600'. Write a whole number"),
        ({"tie_word_embeddings": "yes"}, "config.json: tie_word_embeddings is 'yes'"),
        ({"initializer_range": "wide"}, "initializer_range"),
        ({"quantization_config": {"quant_method": "gptq"}}, "base is quantised (gptq): such"),
        ({"quantization": {"group_size": 32, "bits": 4}}, "base is quantised (mlx): such"),
        ({"mlp_bias": True}, "lacks the tensor blk.0.ffn"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_folders_that_are_not_supported(
    changes: dict[str, object], message: str, convert: Convert, tmp_path: Path
) -> None:
    base = tiny.make_llama(tmp_path / "base")
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    edit_json(base / "config.json", **changes)
    assert message in convert.refuses(adapter)


def test_tokenizers_that_are_not_supported(convert: Convert, tmp_path: Path) -> None:
    base = tiny.make_llama(tmp_path / "base")
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    described = read_json(base / "tokenizer.json")
    steps = described["pre_tokenizer"]["pretokenizers"]
    described["pre_tokenizer"]["pretokenizers"] = [{"type": "Whitespace"}, *steps]
    write_json(base / "tokenizer.json", described)
    line = convert.refuses(adapter)
    assert "a rule that is not known here. Supported: qwen2, llama-bpe, smollm, gpt-2" in line
    write_json(base / "tokenizer.json", described | {"model": {"type": "Unigram"}})
    assert "not byte-level BPE" in convert.refuses(adapter)
    (base / "tokenizer.json").write_text("{")
    assert "tokenizer.json cannot be read" in convert.refuses(adapter)
    described["pre_tokenizer"]["pretokenizers"] = steps
    for key in ("decoder", "normalizer", "post_processor", "truncation", "version"):
        write_json(base / "tokenizer.json", described | {key: 7})
        assert "base/tokenizer.json is broken: " in convert.refuses(adapter)


def test_tokens_of_another_type_are_named(convert: Convert, tmp_path: Path) -> None:
    base = tiny.make_llama(tmp_path / "base")
    settings = read_json(base / "tokenizer_config.json")
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        wrong: tuple[object, ...] = (7, True, {}, [], {"content": 7})
        for value in wrong:
            write_json(base / "tokenizer_config.json", settings | {key: value})
            line = convert.refuses(base)
            assert f"base/tokenizer_config.json: {key} is " in line
    write_json(base / "tokenizer_config.json", settings | {"model_max_length": []})
    assert "base/tokenizer_config.json: model_max_length is '[]'" in convert.refuses(base)


def test_base_with_infinite_weights(convert: Convert, tmp_path: Path) -> None:
    base = tiny.make_llama(tmp_path / "base")
    tensors = load_file(base / "model.safetensors")
    tensors["model.norm.weight"][3] = np.inf
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    assert "NaN or infinite values in output_norm.weight" in convert.refuses(adapter)


def test_places_where_no_model_may_go(convert: Convert, adapter: Path, tmp_path: Path) -> None:
    assert "does not end in .gguf" in convert.refuses(adapter, out=tmp_path / "model.bin")
    (tmp_path / "folder.gguf").mkdir()
    assert "is a folder" in convert.refuses(adapter, out=tmp_path / "folder.gguf")
    (tmp_path / "file").write_text("")
    assert "cannot write to" in convert.refuses(adapter, out=tmp_path / "file" / "model.gguf")
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    assert "is not a manifest of ours" in convert.refuses(adapter, out=tmp_path / "package.gguf")
    assert json.loads((tmp_path / "package.json").read_text()) == {"name": "mine"}
    (tmp_path / "notes.md").write_text("mine")
    assert "was not written by budgetai-convert" in convert.refuses(
        adapter, out=tmp_path / "notes.gguf"
    )
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_the_base_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tiny.make_gguf(tiny.make_llama(tmp_path / "base"), tmp_path / "base.gguf")
    adapter = tiny.make_adapter(tmp_path / "adapter", base)
    before = base.read_bytes()
    assert main([str(adapter), "--out", str(base)]) == 2
    assert "is the base itself" in capsys.readouterr().err
    assert base.read_bytes() == before


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (100_000, "the file may not become that large"),
        (400_000, "the file may not become that large"),
        (None, "llama.cpp could not write the Q8_0 file: File too large"),
    ],
    ids=["while merging", "while checking", "while quantising"],
)
def test_disk_full(limit: int | None, message: str, adapter: Path, tmp_path: Path) -> None:
    """A limit on file size stands for the full disk: writing fails at a byte we choose. For the
    quantiser the F16 file is made first, and the limit is what it takes, plus nothing."""
    out = tmp_path / "out" / "model.gguf"
    if limit is None:
        done = _quantised_on_a_full_disk(adapter, tmp_path)
    else:
        done = forked.run("-m", "budgetai_convert", adapter, "--out", out, file_limit=limit)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("out/*")) and not list(tmp_path.glob("out/.*"))


def _quantised_on_a_full_disk(adapter: Path, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    base = tiny.make_llama(tmp_path / "base")
    merged = tiny.make_gguf(base, tmp_path / "merged.gguf")
    program = f"""
from pathlib import Path
import sys
from budgetai_convert.quantize.llama_quantize import quantize
from budgetai_core.llama.quantizer import QuantizeParams
from budgetai_core import command
out = Path({str(tmp_path / "q.gguf")!r})
def story():
    out.touch()
    quantize(Path({str(merged)!r}), out, QuantizeParams(quant="Q8_0"), lambda size: None)
    return 0
sys.exit(command.run("budgetai-convert", story))
"""
    return forked.run("-c", program, file_limit=50_000)


@pytest.mark.parametrize("stage", ["_check_merged", "_check_quantised"])
def test_interrupted_nothing_is_left(adapter: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out" / "model.gguf"
    # Ctrl-C comes where there is something to clear away, however fast the machine is.
    program = f"""
import signal, sys
from budgetai_convert.cli import main
from budgetai_convert.convert import Conversion
Conversion.{stage} = lambda *_, **__: signal.raise_signal(signal.SIGINT)
sys.exit(main(sys.argv[1:]))
"""
    done = forked.run("-c", program, adapter, "--out", out)
    outcome = (130, "budgetai-convert: interrupted\n", "")
    assert (done.returncode, done.stderr, done.stdout) == outcome
    assert list((tmp_path / "out").iterdir()) == []
