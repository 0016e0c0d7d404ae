"""Commands start where what only Linux or Unix has is missing: here it is taken away."""

import subprocess
import sys

import pytest

# What Windows has not, and of these what macOS has not, too.
MODULES = ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "syslog")
FUNCTIONS = ("sched_getaffinity", "nice", "fork", "getuid", "geteuid", "getpgid", "setsid")
SIGNALS = ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM")

# Libraries of others look for what they want on this system before it is taken away.
TAKE_AWAY = f"""
import os, signal, sys
import asyncio, multiprocessing, subprocess, platformdirs, psutil
for name in {MODULES!r}:
    sys.modules[name] = None
for name in {FUNCTIONS!r}:
    if hasattr(os, name):
        delattr(os, name)
for name in {SIGNALS!r}:
    delattr(signal, name)
"""
IMPORT_ALL = """
import importlib, pkgutil
for name in PACKAGES:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_modules_of_the_server_load() -> None:
    packages = ("budgetai", "budgetai_core", "budgetai_server")
    libraries = "import numpy, llama_cpp, pygls.lsp.server, rich, httpx2\n"
    done = run(libraries + TAKE_AWAY + IMPORT_ALL.replace("PACKAGES", repr(packages)))
    assert done.returncode == 0, done.stderr


def test_all_modules_for_training_and_conversion_load() -> None:
    packages = ("budgetai_training", "budgetai_convert")
    libraries = "import torch, transformers, peft, matplotlib, filelock\n"
    done = run(libraries + TAKE_AWAY + IMPORT_ALL.replace("PACKAGES", repr(packages)))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["serve", "train", "convert", "eval", "docstring", "models"])
def test_every_command_answers(name: str) -> None:
    code = TAKE_AWAY + "from budgetai.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run(code, name, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_it_is_taken_away() -> None:
    done = run(TAKE_AWAY + "import resource")
    assert done.returncode != 0
