"""The wheel, installed as users do: in a fresh environment and an empty folder, by pip, pipx, uv.

Needs a package index and minutes: llama-cpp-python is compiled unless pip has it in its cache.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_package import ROOT, build

from budgetai.doctor.cli import FAULTY
from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.command import BAD_INPUT
from support.clones import new_repository

pytestmark = [pytest.mark.big, pytest.mark.timeout(3600)]


CODE = "def f(x):\n    return x + 1\n\n\n" * 30


class Installed:
    """An environment of its own, and commands that see nothing but it."""

    def __init__(self, folder: Path, bin_folder: Path, **more: str) -> None:
        self.folder, self.bin = folder, bin_folder
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "HF_HUB_OFFLINE")
        kept = {key: value for key, value in os.environ.items() if key not in hidden}
        path = f"{bin_folder}:/usr/local/bin:/usr/bin:/bin"
        self.environment = kept | {"PATH": path, "BUDGETAI_HOME": str(folder / "home")} | more

    def run(self, *command: str, code: int = 0, cwd: Path | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code == BAD_INPUT else done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our wheel, and with llama-cpp-python's as pip has built it for others."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = build("wheel", ROOT, folder / "wheels")
    pip = [sys.executable, "-m", "pip"]
    command = [*pip, "wheel", "-q", "--no-deps", "-w", str(wheel.parent)]
    if (Path(sys.prefix) / ".without-amx").exists():
        # scripts/install.sh found that the compiler breaks AMX, and has such wheels elsewhere.
        cache = subprocess.run([*pip, "cache", "dir"], capture_output=True, text=True, check=True)
        command += ["--cache-dir", f"{cache.stdout.strip()}-without-amx"]
    subprocess.run([*command, "-c", str(ROOT / "constraints.txt"), "llama-cpp-python"], check=True)
    return wheel.parent


def requirement(wheels: Path, extras: str) -> str:
    return f"budgetai{extras} @ {next(wheels.glob('budgetai-*')).as_uri()}"


@pytest.fixture
def by_pip(wheels: Path, tmp_path: Path) -> Iterator[Installed]:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    installed = Installed(tmp_path, environment / "bin", PIP_FIND_LINKS=str(wheels))
    began = time.monotonic()
    installed.run("pip", "install", "-q", requirement(wheels, "[server]"))
    size = sum(file.stat().st_size for file in environment.rglob("*") if file.is_file())
    print(f"\npip: {time.monotonic() - began:.0f} s, {size / 1e6:.0f} MB")
    yield installed
    shutil.rmtree(environment)


@pytest.fixture
def by_uv(wheels: Path, tmp_path: Path) -> Iterator[Installed]:
    helper = tmp_path / "helper"
    subprocess.run([sys.executable, "-m", "venv", str(helper)], check=True)
    subprocess.run([str(helper / "bin" / "pip"), "install", "-q", "uv"], check=True)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "uv").symlink_to(helper / "bin" / "uv")
    installed = Installed(
        tmp_path,
        bin_folder,
        UV_TOOL_DIR=str(tmp_path / "tools"),
        UV_TOOL_BIN_DIR=str(bin_folder),
        UV_CACHE_DIR=str(tmp_path / "uv-cache"),
        UV_FIND_LINKS=str(wheels),
        UV_PYTHON=sys.executable,
    )
    began = time.monotonic()
    installed.run("uv", "tool", "install", "-q", requirement(wheels, "[server]"))
    print(f"\nuv: {time.monotonic() - began:.0f} s")
    yield installed
    shutil.rmtree(tmp_path / "tools")


@pytest.fixture
def by_pipx(wheels: Path, tmp_path: Path) -> Iterator[Installed]:
    helper = tmp_path / "helper"
    subprocess.run([sys.executable, "-m", "venv", str(helper)], check=True)
    subprocess.run([str(helper / "bin" / "pip"), "install", "-q", "pipx"], check=True)
    installed = Installed(
        tmp_path,
        tmp_path / "bin",
        PIPX_HOME=str(tmp_path / "pipx"),
        PIPX_BIN_DIR=str(tmp_path / "bin"),
        PIPX_DEFAULT_PYTHON=sys.executable,
        PIP_FIND_LINKS=str(wheels),
    )
    began = time.monotonic()
    installed.run(str(helper / "bin" / "pipx"), "install", requirement(wheels, "[server]"))
    print(f"\npipx: {time.monotonic() - began:.0f} s")
    yield installed
    shutil.rmtree(tmp_path / "pipx")


def check_server(installed: Installed) -> None:
    """Everything of the extra works, from a folder in which no clone is seen."""
    repository = new_repository(installed.folder / "repository", CODE)
    assert installed.run("budgetai", "--version").startswith("budgetai 0.")
    assert installed.run("budgetai-server", "--version").startswith("budgetai-server 0.")
    fault_free = json.loads(installed.run("budgetai", "doctor", "--json", "--measure", "no"))
    assert fault_free["ok"] is True
    installed.run("budgetai", "models", "add", EMBEDDED, "--yes")
    told = installed.run("budgetai", "doctor", cwd=repository)
    assert "tokens a second" in told and str(installed.folder) not in told
    command = ("budgetai", "eval", "--model", EMBEDDED, "--holes", "2", "--json")
    assert json.loads(installed.run(*command, "--repo", str(repository)))["holes"] == 2
    needed = installed.run("budgetai", "train", code=2, cwd=repository)
    assert "needs the extra training" in needed and needed.count("\n") == 1


def test_pip(by_pip: Installed) -> None:
    listed = {row["name"] for row in json.loads(by_pip.run("pip", "list", "--format", "json"))}
    assert "pygls" in listed and not listed & {"torch", "transformers", "llm", "openai"}
    check_server(by_pip)
    assert "-m pip install 'budgetai[server,training] @ file:" in by_pip.run(
        "budgetai", "train", code=2
    )


def test_uv(by_uv: Installed, wheels: Path) -> None:
    check_server(by_uv)
    assert "uv tool install 'budgetai[server,training] @ file:" in by_uv.run(
        "budgetai", "train", code=2
    )
    # As it is often written; nothing is said.
    by_uv.run("uv", "tool", "install", "-q", "--upgrade", requirement(wheels, ""))
    told = by_uv.run("budgetai", "doctor", "--measure", "no", code=FAULTY)
    assert "fault  extras" in told
    assert "server was here and is no longer whole" in told
    assert "needs the extra server" in by_uv.run("budgetai", "serve", code=2)


def test_pipx(by_pipx: Installed) -> None:
    check_server(by_pipx)
    assert "pipx install --force 'budgetai[server,training] @ file:" in by_pipx.run(
        "budgetai", "train", code=2
    )
