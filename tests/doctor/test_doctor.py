"""`budgetai doctor` finds what is wrong, says what to do, and tells nothing private."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from budgetai.doctor import editor_checks, llama_checks, machine_checks, repository_checks
from budgetai.doctor.diagnosis import FAULT, HINT, OK, Diagnosis, report
from budgetai.doctor.llama_checks import KNOWN_BASES, ModelSpeed
from budgetai_core import hardware
from budgetai_core.artifacts import layout
from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.context.prompt import PROMPT_FORMAT

WHO = ("-c", "user.name=plant", "-c", "user.email=plant@example.com")
PLANTED = "plant"


def run(cwd: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "budgetai", "doctor", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user, a repository and an installation whose every name has a word in it."""
    user = tmp_path / "plant-user"
    root = user / "plant-repo"
    root.mkdir(parents=True)
    (root / "plant_file.py").write_text("PLANT_CODE = 'plant-text'\n")
    # A library, to those who look for one where they stand.
    (root / "json.py").write_text("raise RuntimeError('plant')\n")
    for arguments in (
        ("init", "-q"),
        ("remote", "add", "origin", "https://plant-token@plant.example/plant/repo"),
        ("add", "-A"),
        ("commit", "-q", "-m", "plant"),
    ):
        subprocess.run(["git", *WHO, "-C", str(root), *arguments], check=True)
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("USER", "plant-user")
    monkeypatch.setenv("BUDGETAI_HOME", str(user / "plant-home"))
    program(tmp_path / "plant-bin", "nvim", "echo NVIM v0.11.4; echo plant")
    program(tmp_path / "plant-bin", "nvidia-smi", "exit 9")
    monkeypatch.setenv("PATH", f"{tmp_path / 'plant-bin'}:/usr/bin:/bin")
    config = user / ".config" / "nvim" / "init.lua"
    config.parent.mkdir(parents=True)
    config.write_text("vim.lsp.config('budgetai', { cmd = { '/plant/bin/budgetai-server' } })\n")
    return root


def model_of(root: Path, prompt_format: int = PROMPT_FORMAT) -> Path:
    model = layout.repository_folder(root) / "models" / "20260101-plant.gguf"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"GGUF, and no more")
    base = {"kind": "gguf", "location": "/plant/base.gguf", "digest": "plant"}
    empty: dict[str, Any] = {"scores": {}, "checks": {}, "versions": {}}
    values = {"prompt_format": prompt_format, "base": base, "adapter": "plant", "size": 1} | empty
    write_json(model.with_suffix(".json"), values | {"quant": "plant", "held_out": ["plant.py"]})
    return model


def test_a_report_can_be_pasted(planted: Path) -> None:
    """It holds no word of ours, neither as text nor as JSON; hints alone are not a failure."""
    model_of(planted)
    (planted / ".git" / "shallow").touch()
    done = run(planted, "--measure", "auto")
    assert done.returncode == 0, done.stdout + done.stderr
    assert PLANTED not in (done.stdout + done.stderr).lower()
    assert str(planted.parent.parent) not in done.stdout
    assert "Neovim" in done.stdout and "names a budgetai-server that is not there" in done.stdout
    assert "the newest model cannot be loaded" in done.stdout
    told = run(planted, "--json", "--measure", "no")
    assert PLANTED not in told.stdout.lower()
    rows = json.loads(told.stdout)
    assert rows["ok"] is True
    assert all(row["level"] in (OK, HINT) for row in rows["diagnoses"])
    assert all(row["remedy"] for row in rows["diagnoses"] if row["level"] == HINT)


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plant-file").touch()
    home = str(tmp_path / "plant-file" / "below")
    done = run(tmp_path, "--measure", "no", BUDGETAI_HOME=home)
    assert done.returncode == 1
    assert "fault  data folder" in done.stdout and "BUDGETAI_HOME" in done.stdout
    assert PLANTED not in done.stdout


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "crashes when it is loaded"),
        ("raise OSError('/plant/libllama.so')", "does not work when it is loaded"),
    ],
)
def test_a_llama_cpp_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "llama_cpp.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.pathsep.join(sys.path)}")
    (diagnosis,) = llama_checks.checks(None, measure=True)
    assert diagnosis.level == FAULT and words in diagnosis.text
    assert "llama-cpp-python" in diagnosis.remedy and PLANTED not in str(diagnosis)


def seen(system: str) -> dict[str, Any]:
    told = {"version": "0.3.36", "system": system, "gpu": False, "own_library": False}
    return told | {"ggml": ("0.25.3", "0.25.3")}


def test_a_build_for_an_older_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_checks, "_processor", lambda: {"avx2", "avx512f"})
    whole = llama_checks._build(seen("CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 1 | OPENMP = 1 | "))
    assert (whole.level, whole.text[-11:]) == (OK, "uses AVX512")
    old = llama_checks._build(seen("CPU : SSE3 = 1 | AVX2 = 1 | "))
    assert old.level == HINT and "built without AVX512" in old.text
    assert "--no-binary" in old.remedy


def test_a_library_of_another_version() -> None:
    """Its functions are called without a look at what they take."""
    own = seen("CPU : AVX2 = 1 | ") | {"own_library": True}
    other = llama_checks._build(own | {"ggml": ("0.26.0", "0.25.3")})
    assert other.level == HINT and "ggml 0.26.0, where 0.25.3 is expected" in other.text
    same = llama_checks._build(own)
    assert "the library of LLAMA_CPP_LIB_PATH" in same.text


def test_the_versions_of_a_build() -> None:
    from budgetai_core.llama.model import ggml_versions

    loaded, built = ggml_versions()
    assert loaded and loaded == built


@pytest.mark.parametrize(
    ("prefill", "decode", "memory", "name"),
    [
        (900, 200, 64e9, "qwen2.5-coder-0.5b"),
        (3000, 500, 64e9, "qwen2.5-coder-1.5b"),
        (3000, 500, 2.5e9, "qwen2.5-coder-0.5b"),
        (60, 20, 64e9, "smollm2-135m"),
        (3000, 500, 0.5e9, "smollm2-135m"),
    ],
)
def test_the_base_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, prefill: float, decode: float, memory: float, name: str
) -> None:
    """By what SmolLM2-135M was measured at, and the memory there is."""
    monkeypatch.setattr(hardware, "total_memory", lambda: memory)
    small = KNOWN_BASES[-1]
    measured = ModelSpeed(prefill, decode, small.parameters, small.blocks)
    diagnosis = llama_checks._base(measured)
    assert diagnosis.text.startswith(f"{name} is the largest")
    assert f"budgetai models add {name}" in diagnosis.remedy


def test_an_estimate_agrees_with_what_was_measured() -> None:
    """Qwen2.5-Coder-0.5B on two cores: Q8_0's kernels 320 and 73 tokens a second as Q4_0."""
    half = next(base for base in KNOWN_BASES if base.name == "qwen2.5-coder-0.5b")
    measured = ModelSpeed(320, 73, half.parameters, half.blocks)
    assert measured.is_fast_enough()
    assert measured.predicted(KNOWN_BASES[0]).prefill == pytest.approx(320 * 358 / 1310)
    assert not measured.predicted(KNOWN_BASES[0]).is_fast_enough()


@pytest.mark.parametrize(
    ("cuda", "gpus", "level", "words"),
    [
        ("'13.0'", (), HINT, "built for CUDA 13.0, and there is no such GPU"),
        ("None", ("A GPU",), HINT, "built for the CPU, and there is a GPU"),
        ("None", (), OK, "built for CPU"),
        ("'13.0'", ("A GPU",), OK, "built for CUDA 13.0"),
    ],
)
def test_a_torch_for_another_machine(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cuda: str,
    gpus: tuple[str, ...],
    level: str,
    words: str,
) -> None:
    text = f"from typing import Optional\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = None\n"
    (tmp_path / "version.py").write_text(text)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    monkeypatch.setattr(hardware, "gpus", lambda: gpus)
    monkeypatch.setattr(sys, "platform", "linux")
    diagnosis = list(machine_checks._gpu())[-1]
    assert (diagnosis.check, diagnosis.level) == ("torch", level)
    assert words in diagnosis.text


def find(root: Path, check: str) -> Diagnosis:
    return next(entry for entry in repository_checks.checks(root) if entry.check == check)


def test_what_was_made_for_a_repository(tmp_path: Path) -> None:
    assert find(tmp_path, "model").level == HINT
    model_of(tmp_path)
    assert find(tmp_path, "model") == Diagnosis("model", OK, "a file, mixed")
    model_of(tmp_path, PROMPT_FORMAT + 1)
    assert "prompt format" in find(tmp_path, "model").text
    partial = layout.repository_folder(tmp_path) / "adapters" / "20260101-000000.partial"
    partial.mkdir(parents=True)
    write_json(partial / "run.json", {})
    assert "--resume" in find(tmp_path, "training").remedy


def test_an_index_that_is_broken(tmp_path: Path) -> None:
    assert find(tmp_path, "index").level == OK
    index = layout.repository_folder(tmp_path) / "index.sqlite"
    index.parent.mkdir(parents=True)
    with sqlite3.connect(index) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    assert find(tmp_path, "index").level == OK
    index.write_bytes(b"SQLite format 3\0" + b"\1" * 2000)
    assert find(tmp_path, "index").level == HINT


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        (".config/helix/languages.toml", 'command = "{server}" # budgetai', "Helix"),
        (".config/nvim/lua/plugins/a.lua", "cmd = {{ '{server}' }}", "Neovim"),
        (".emacs.d/init.el", '(eglot "{server}")', "Emacs"),
        (".config/kate/lspclient/settings.json", '["{server}"]', "Kate"),
        (".vimrc", "'cmd': ['{server}']", "Vim"),
    ],
)
def test_editors_that_are_set_up(tmp_path: Path, file: str, text: str, name: str) -> None:
    """With a server that is there, and with one that has gone."""
    server = tmp_path / "bin" / "budgetai-server"
    program(server.parent, server.name, "exit 0")
    config = tmp_path / "home" / file
    config.parent.mkdir(parents=True)
    config.write_text(text.format(server=server))
    (diagnosis,) = (e for e in editor_checks.checks(tmp_path / "home") if e.check == name)
    assert (diagnosis.level, diagnosis.text[:6]) == (OK, "set up")
    server.unlink()
    (diagnosis,) = (e for e in editor_checks.checks(tmp_path / "home") if e.check == name)
    assert (diagnosis.level, diagnosis.remedy != "") == (HINT, True)


def test_an_extension_counts(tmp_path: Path) -> None:
    (tmp_path / ".vscode-oss" / "extensions" / "x.budgetai-0.1.0").mkdir(parents=True)
    diagnoses = list(editor_checks.checks(tmp_path))
    assert Diagnosis("VS Code", OK, "set up") in diagnoses
    assert not [entry for entry in diagnoses if entry.check == "editors"]


def test_the_report() -> None:
    rows = [
        Diagnosis("a", OK, "well"),
        Diagnosis("bcd", HINT, "so so", "Run: x"),
        Diagnosis("e", FAULT, "!"),
    ]
    text = report(rows).splitlines()
    assert text[2:] == [
        "ok     a    well",
        "hint   bcd  so so",
        "            → Run: x",
        "fault  e    !",
        "",
        "1 hint, 1 fault",
    ]
    assert report([]).endswith("nothing to do")
