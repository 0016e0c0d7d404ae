"""Adapters made by others, and models named as on the Hub, without any network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from budgetai_convert.checks.agreement import Agreement
from budgetai_convert.cli import main
from budgetai_core.artifacts import gguf_reader
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.manifest import ModelManifest
from budgetai_core.llama.scoring import ScoringModel
from support import forked, tiny

MakeBase = Callable[..., Path]
HUB_ID = "somebody/tiny-coder"
COMMIT, LATER = "0123456789abcdef" * 2 + "01234567", "f" * 40


def foreign(folder: Path, base: Path, names: object) -> Path:
    """An adapter as peft alone leaves it, whose configuration names a base."""
    tiny.make_adapter(folder, base)
    (folder / "manifest.json").unlink()
    config = read_json(folder / "adapter_config.json")
    write_json(folder / "adapter_config.json", config | {"base_model_name_or_path": names})
    return folder


def hub_cache(home: Path, model: Path, commit: str = COMMIT) -> Path:
    """A model where huggingface_hub keeps what it has fetched."""
    repo = home / "hub" / f"models--{HUB_ID.replace('/', '--')}"
    shutil.copytree(model, repo / "snapshots" / commit)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(commit)
    return home


# A cache for a process that has read from its environment already where the user's is.
OFFLINE = """
import json, sys
from huggingface_hub import constants

constants.HF_HUB_CACHE = sys.argv[1]
from budgetai_convert.cli import main
sys.exit(max([main(command) for command in json.loads(sys.argv[2])]))
"""


def offline(hub: Path, *commands: list[object]) -> "subprocess.CompletedProcess[str]":
    """Commands, one behind the other, with that cache and no network."""
    assert os.environ["HF_HUB_OFFLINE"]
    arguments = json.dumps([[str(part) for part in command] for command in commands])
    return forked.run("-c", OFFLINE, hub / "hub", arguments)


def test_an_adapter_by_others_is_merged_and_nothing_is_claimed_of_it(
    base: MakeBase,
    compared: Callable[..., Agreement],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter = foreign(tmp_path / "adapter", base("qwen2"), str(base("qwen2")))
    out = tmp_path / "model.gguf"
    assert main([str(adapter), "--out", str(out)]) == 0
    assert "held out   nothing: it is not known" in capsys.readouterr().out
    file = gguf_reader.read(out)
    assert file.value("budgetai.prompt_format") is None, "it was not trained on our prompts"
    with ScoringModel(out) as native:
        assert compared(native, base("qwen2"), adapter).kld < 0.01

    # With code at hand it is calibrated on, and still judges nothing.
    repo = tiny.make_repository(tmp_path)
    more = ["--repo", str(repo), "--quant", "Q4_0", "--json"]
    assert main([str(adapter), "--out", str(out), *more]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "importance" in printed["notes"] and "held_out_kld" not in printed["checks"]
    assert main([str(adapter), "--out", str(out), "--quant", "auto", "--repo", str(repo)]) == 2
    assert "needs held-out code" in capsys.readouterr().err


def test_an_adapter_by_others_in_a_bundle(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = foreign(tmp_path / "their adapter", base("qwen2"), "gone")
    out = tmp_path / "bundle"
    arguments = [str(adapter), "--base", str(base("qwen2")), "--bundle", "--out", str(out)]
    assert main(arguments) == 0
    capsys.readouterr()
    entry = Bundle.read(out).adapters[0]
    assert (entry.name, entry.rank, entry.repository) == ("their-adapter-completion", 4, "")
    # Ours and theirs get along.
    ours = tiny.make_adapter(tmp_path / "ours", base("qwen2"))
    assert main([str(ours), "--add-to", str(out)]) == 0
    again = adapter.rename(tmp_path / "again")
    assert main([str(again), *arguments[1:3], "--add-to", str(out)]) == 0
    capsys.readouterr()
    names = [entry.name for entry in Bundle.read(out).adapters]
    assert names[1:] == ["tiny-completion", "again-completion"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "names no base. Name it with --base"),
        (7, "names no base. Name it with --base"),
        ("/nowhere/model", "is of '/nowhere/model', which is not here. Name it with --base"),
        ("somebody/else", "which is not here. Fetch it with --base somebody/else"),
        ("a\0b", "which is not here. Name it with --base"),
    ],
    ids=str,
)
def test_what_an_adapter_names_is_never_fetched(
    names: object,
    message: str,
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter = foreign(tmp_path / "adapter", base("llama"), names)
    assert main([str(adapter), "--out", str(tmp_path / "model.gguf")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "model.gguf").exists()


def test_a_base_for_an_adapter_that_has_one(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    assert main([str(adapter), "--base", str(base("qwen2"))]) == 2
    assert "was trained on" in capsys.readouterr().err


def test_a_model_of_the_hub_from_its_cache(base: MakeBase, tmp_path: Path) -> None:
    """By itself, and as the base that an adapter by others names."""
    hub = hub_cache(tmp_path / "hub", base("qwen2"))
    adapter = foreign(tmp_path / "adapter", base("qwen2"), HUB_ID)
    plain, tuned = tmp_path / "plain.gguf", tmp_path / "tuned.gguf"
    # In a fresh interpreter: what libraries print while they are imported must not be seen.
    command = [sys.executable, "-m", "budgetai_convert", HUB_ID]
    command += ["--quant", "F16", "--out", str(plain)]
    place = os.environ | {"HF_HOME": str(hub), "HF_HUB_CACHE": str(hub / "hub")}
    fresh = subprocess.run(command, capture_output=True, text=True, env=place, check=False)
    done = offline(hub, [adapter, "--quant", "F16", "--out", tuned])
    assert [(ended.returncode, ended.stderr) for ended in (fresh, done)] == [(0, "")] * 2
    for path in (plain, tuned):
        manifest = ModelManifest.find(path)
        assert manifest is not None
        assert (manifest.base.kind, manifest.base.location) == ("hub", f"{HUB_ID}@{COMMIT}")
        assert manifest.checks["kld_f16"] < 1e-4
        assert gguf_reader.read(path).value("budgetai.base") == HUB_ID
    assert plain.read_bytes() != tuned.read_bytes()


def test_an_adapter_is_merged_into_the_revision_it_was_trained_on(
    base: MakeBase, tmp_path: Path
) -> None:
    """Though the model on the Hub has been another one since."""
    hub = hub_cache(tmp_path / "hub", base("qwen2"))
    other = tiny.make_qwen2(tmp_path / "other", seed=5)
    hub_cache(hub, other, LATER)
    adapter = foreign(tmp_path / "adapter", base("qwen2"), HUB_ID)
    config = read_json(adapter / "adapter_config.json")
    files = [tmp_path / f"{name}.gguf" for name in ("here", "revision", "named", "main")]
    write_json(adapter / "adapter_config.json", config | {"revision": COMMIT})
    commands: list[list[object]] = [
        [adapter, "--base", base("qwen2")],
        [adapter],
        [adapter, "--base", HUB_ID],
        [adapter, "--base", f"{HUB_ID}@{LATER}"],
    ]
    done = offline(
        hub,
        *(
            [*arguments_of, "--quant", "F16", "--out", f]
            for arguments_of, f in zip(commands, files, strict=True)
        ),
    )
    assert (done.returncode, done.stderr) == (0, "")
    here, revision, named, main_ = (gguf_reader.read(file) for file in files)
    for tensor in here.tensors:
        wanted = here.load(tensor)
        assert (revision.load(tensor) == wanted).all() and (named.load(tensor) == wanted).all()
    assert any((main_.load(tensor) != here.load(tensor)).any() for tensor in here.tensors)
    write_json(adapter / "adapter_config.json", config | {"revision": "gone"})
    done = offline(hub, [adapter, "--out", tmp_path / "x.gguf"])
    assert f"which is not here. Fetch it with --base {HUB_ID}@gone" in done.stderr


def test_a_model_that_is_not_in_the_cache(tmp_path: Path) -> None:
    done = offline(tmp_path, [HUB_ID, "--out", tmp_path / "model.gguf"])
    assert done.returncode == 2
    assert done.stderr.startswith(f"budgetai-convert: the base {HUB_ID} cannot be fetched: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "model.gguf").exists()


def test_a_slip_in_a_path_asks_no_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapters").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["adapters/nwe"]) == 2
    assert "no adapter folder adapters/nwe" in capsys.readouterr().err


def beside(adapter: Path, base: Path, number: int) -> None:
    """Lay a tokenizer into an adapter's folder that has one more token than the base's."""
    described = read_json(base / "tokenizer.json")
    new = described["added_tokens"][0] | {"id": number, "content": "<|think|>"}
    described["added_tokens"].append(new)
    write_json(adapter / "tokenizer.json", described)
    shutil.copy(base / "tokenizer_config.json", adapter)


@pytest.mark.parametrize("own_template", [True, False])
def test_a_tokenizer_beside_an_adapter_is_the_models(
    own_template: bool, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the base has rows for its tokens. Without a template there, that of the base stays."""
    own = Path(shutil.copytree(base("qwen2"), tmp_path / "base"))
    (own / "chat_template.jinja").write_text("{{ messages }}")
    adapter = foreign(tmp_path / "adapter", own, str(own))
    beside(adapter, own, tiny.VOCABULARY - 1)
    if own_template:
        (adapter / "chat_template.jinja").write_text("{{ messages[0] }}")
    out = tmp_path / "model.gguf"
    assert main([str(adapter), "--quant", "F16", "--out", str(out)]) == 0
    assert "left out" not in capsys.readouterr().out
    file = gguf_reader.read(out)
    assert file.value("tokenizer.ggml.tokens")[tiny.VOCABULARY - 1] == "<|think|>"
    expected = "{{ messages[0] }}" if own_template else "{{ messages }}"
    assert file.value("tokenizer.chat_template") == expected


@pytest.mark.parametrize("other", ["a token without a row", "other merges", "another token"])
def test_what_a_tokenizer_beside_an_adapter_has_is_told(
    other: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a chat template in a file of its own is the model's, where it lies in the base."""
    own = Path(shutil.copytree(base("qwen2"), tmp_path / "base"))
    (own / "chat_template.jinja").write_text("{{ messages }}")
    adapter = foreign(tmp_path / "adapter", own, str(own))
    beside(adapter, own, tiny.VOCABULARY - (other != "a token without a row"))
    described = read_json(adapter / "tokenizer.json")
    if other == "other merges":
        described["model"]["merges"].reverse()
    elif other == "another token":
        vocab = described["model"]["vocab"]
        vocab["qqqq"] = vocab.pop(next(text for text, number in vocab.items() if number == 99))
    write_json(adapter / "tokenizer.json", described)
    (adapter / "chat_template.jinja").write_text("{{ messages[0] }}")
    # What some trainers copy there besides: the folder stays an adapter.
    shutil.copy(own / "config.json", adapter)
    out = tmp_path / "model.gguf"
    assert main([str(adapter), "--quant", "F16", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "the base's: the adapter's own has the tokens " in told and "<|think|>" in told
    assert "and its chat template, left out" in told
    manifest = ModelManifest.find(out)
    assert manifest is not None and "<|think|>" in manifest.notes["tokenizer"]
    file = gguf_reader.read(out)
    assert "<|think|>" not in file.value("tokenizer.ggml.tokens")
    assert file.value("tokenizer.chat_template") == "{{ messages }}"


@pytest.mark.parametrize("kind", ["mlx", "compiled", "named", "bare", "shards"])
def test_layouts_of_others_are_read(
    kind: str, base: MakeBase, compared: Callable[..., Agreement], tmp_path: Path
) -> None:
    plain = foreign(tmp_path / "plain", base("llama"), str(base("llama")))
    adapter = Path(shutil.copytree(plain, tmp_path / "adapter"))
    path = adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    path.unlink()
    front = "base_model.model."
    if kind == "mlx":
        sides = {"lora_A.weight": "lora_a", "lora_B.weight": "lora_b"}
        turned = {}
        for key, value in tensors.items():
            module, _, side = key.removeprefix(front).rpartition(".lora_")
            turned[f"{module}.{sides[f'lora_{side}']}"] = value.T.copy()
        save_file(turned, adapter / "adapters.safetensors")
        parameters = {"rank": 4, "scale": 2.0, "dropout": 0.0}
        config = {"fine_tune_type": "lora", "lora_parameters": parameters, "num_layers": 2}
        write_json(adapter / "adapter_config.json", config | {"model": str(base("llama"))})
    elif kind == "shards":
        names = sorted(tensors)
        for number, part in enumerate((names[::2], names[1::2]), 1):
            shard = adapter / f"adapter_model-0000{number}-of-00002.safetensors"
            save_file({name: tensors[name] for name in part}, shard)
    else:
        changes: dict[str, Callable[[str], str]] = {
            "compiled": lambda key: key.replace(front, f"{front}_orig_mod."),
            "named": lambda key: key.replace(".weight", ".default.weight"),
            "bare": lambda key: key.removeprefix(front),
        }
        save_file({changes[kind](key): value for key, value in tensors.items()}, path)
    out = tmp_path / "model.gguf"
    assert main([str(adapter), "--quant", "F16", "--out", str(out)]) == 0
    with ScoringModel(out) as native:
        assert compared(native, base("llama"), plain).kld < 1e-4


def test_adapters_that_are_elsewhere_or_of_another_kind(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = foreign(tmp_path / "several" / "mine", base("llama"), str(base("llama")))

    def refused(folder: Path, *more: str) -> str:
        assert main([str(folder), *more, "--out", str(tmp_path / "x.gguf")]) == 2
        return capsys.readouterr().err

    assert f"folders of their own: mine. Name {adapter}" in refused(adapter.parent)
    assert "--base" in refused(base("llama"), "--base", str(base("llama")))
    config = read_json(adapter / "adapter_config.json")
    write_json(adapter / "adapter_config.json", config | {"init_lora_weights": "pissa"})
    line = refused(adapter)
    assert "'pissa'" in line and "path_initial_model_for_weight_conversion" in line
    name = "unsloth/Qwen2.5-Coder-0.5B-bnb-4bit"
    write_json(adapter / "adapter_config.json", config | {"base_model_name_or_path": name})
    assert "Name the 16-bit original: --base unsloth/Qwen2.5-Coder-0.5B\n" in refused(adapter)
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "is a pointer of Git LFS. Run: git lfs pull" in refused(adapter)
    weights.rename(adapter / "adapter_model.bin")
    assert "are in adapter_model.bin" in refused(adapter)
