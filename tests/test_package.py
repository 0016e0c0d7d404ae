"""What is built to be installed works without a clone: its files, its metadata, its commands."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "budgetai": "server",
    "budgetai_core": "server",
    "budgetai_server": "server",
    "budgetai_training": "training",
    "budgetai_convert": "convert",
}
BUILD = "import sys, hatchling.build as backend; getattr(backend, sys.argv[1])(sys.argv[2])"
NOT_FOR_A_SERVER = re.compile(r"torch|transformers|peft|bitsandbytes|nvidia-.*|triton")


def build(what: str, source: Path, into: Path) -> Path:
    into.mkdir()
    arguments = [sys.executable, "-c", BUILD, f"build_{what}", str(into)]
    subprocess.run(arguments, cwd=source, check=True, capture_output=True)
    return next(into.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source package, as a release is: what that lacks, the wheel lacks."""
    folder = tmp_path_factory.mktemp("package")
    archive = build("sdist", ROOT, folder / "sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "source", filter="data")
    return build("wheel", next((folder / "source").iterdir()), folder / "wheel")


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def metadata(unpacked: Path) -> Message:
    file = next(unpacked.glob("*.dist-info/METADATA"))
    return Parser().parsestr(file.read_text(encoding="utf-8"))


def test_all_files_of_the_packages_are_in_it_and_no_others(unpacked: Path) -> None:
    folders = [f"{top}/{name}" for name, top in PACKAGES.items()]
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    done = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {name.partition("/")[2] for name in done.stdout.split("\0") if name}
    files = {
        file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()
    }
    # A file that was removed and not committed yet is still listed.
    gone = {name for name in wanted if not (ROOT / PACKAGES[name.split("/")[0]] / name).exists()}
    assert {name for name in files if ".dist-info/" not in name} == wanted - gone
    assert {f"{name}/py.typed" for name in PACKAGES} <= files
    assert any(name.endswith(".scm") for name in files)
    license = next(unpacked.glob("*.dist-info/licenses/LICENSE"))
    assert license.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_metadata(metadata: Message) -> None:
    assert metadata["Name"] == "budgetai"
    assert re.fullmatch(r"\d+\.\d+.*", metadata["Version"])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"server", "training", "convert", "all"} <= set(metadata.get_all("Provides-Extra", []))
    page = str(metadata.get_payload())
    # Where the page is shown, there is nothing beside it.
    assert not re.findall(r"\]\((?!https?:)[^)]*\)", page)
    assert "uv tool install" in page


def test_all_has_every_extra_that_people_install(metadata: Message) -> None:
    required: dict[str, set[str]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        if match := re.fullmatch(r"(.+?); extra == '([\w-]+)'", line):
            required.setdefault(match[2], set()).add(match[1])
    others = set().union(*(required[name] for name in required.keys() - {"all", "dev"}))
    assert required["all"] >= others


def test_a_server_needs_no_torch() -> None:
    """Nor does anything that it needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ahead = [*project["dependencies"], *project["optional-dependencies"]["server"]]
    names: set[str] = set()
    while ahead:
        line = ahead.pop()
        name = re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower()
        if "extra ==" in line or name in names:
            continue
        names.add(name)
        try:
            ahead += importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            assert ";" in line, f"{name} is asked for, and not installed"
    assert {"llama-cpp-python", "pygls", "numpy"} <= names
    assert not list(filter(NOT_FOR_A_SERVER.fullmatch, names))


def test_every_command_leads_to_a_function(unpacked: Path) -> None:
    file = next(unpacked.glob("*.dist-info/entry_points.txt"))
    targets = re.findall(r"(?m)^([\w-]+) = ([\w.]+):(\w+)$", file.read_text(encoding="utf-8"))
    assert {name for name, _, _ in targets} >= {"budgetai", "budgetai-server", "budgetai-demo"}
    for _, module, function in targets:
        source = unpacked / f"{module.replace('.', '/')}.py"
        body = ast.parse(source.read_text(encoding="utf-8")).body
        assigned = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
        names = {target.id for target in assigned if isinstance(target, ast.Name)}
        names |= {node.name for node in body if isinstance(node, ast.FunctionDef)}
        assert function in names, (module, function)


def run(unpacked: Path, cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `budgetai` from the wheel's own files, in a folder from where no clone is seen."""
    code = (
        "import sys, runpy; sys.path.insert(0, sys.argv.pop(1));"
        "runpy.run_module('budgetai', run_name='__main__', alter_sys=True)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-P", "-c", code, unpacked, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_own_files_are_enough(unpacked: Path, tmp_path: Path) -> None:
    """A dry run reads the queries that lie beside the code."""
    repository = tmp_path / "repository"
    repository.mkdir()
    for number in range(4):
        text = "".join(f"def f{number}_{i}(x):\n    return x + {i}\n\n\n" for i in range(40))
        (repository / f"m{number}.py").write_text(text)
    where = run(unpacked, repository, "train", "--dry-run", "--json")
    assert where.returncode == 0, where.stderr
    assert "m0.py" in where.stdout
    for name in ("train", "convert", "serve", "eval", "docstring", "demo"):
        helped = run(unpacked, repository, name, "--help")
        assert helped.returncode == 0 and "usage:" in helped.stdout, helped.stderr
