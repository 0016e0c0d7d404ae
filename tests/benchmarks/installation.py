"""What an installation takes: the built wheel, by pip and by uv, beside `make install` of a clone.

    python tests/benchmarks/installation.py [--ways all] [--folder PATH] [--compiled WHEEL]

llama-cpp-python is compiled once, from nothing, and counted by itself: every way has to, where no
ready wheel fits, and gets what was made, or what `--compiled` names. Then each way installs into an
empty folder, with empty caches: seconds by the clock, seconds of processor time, the bytes that had
to be downloaded (the sizes of the files that pip names for what is installed then; what a build
needs for itself is not among them), and the bytes on disk. Needs a package
index, a C++ compiler and some 8 GB for a while.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markdown_table import table

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BudgetAIError
from budgetai_core.options import option

ROOT = Path(__file__).parents[2]
COMPILED = "llama-cpp-python"
_BUILD = "import sys, hatchling.build as backend; backend.build_wheel(sys.argv[1])"


@dataclass(frozen=True, kw_only=True)
class InstallationOptions:
    """Which ways are tried, and where."""

    ways: str = option("all", "server, or all of them", choices=("server", "all"))
    folder: Path | None = option(
        None, "folder for what is installed, below which nothing is kept", unit="folder"
    )
    compiled: Path | None = option(
        None, f"a wheel of {COMPILED} that is there; without one, it is compiled", unit="file"
    )
    json: bool = option(False, "print the result as JSON")


@dataclass(frozen=True)
class Taken:
    """What one way takes. `downloaded` and `on_disk` are bytes; `torch` is its version, which says
    whether it is a build for CUDA, and empty where there is none."""

    way: str
    seconds: float
    processor_seconds: float
    downloaded: int
    on_disk: int
    packages: int = 0
    torch: str = ""


def main() -> int:
    return run("installation", _main)


def _main() -> int:
    options = parse("installation", "Measure what an installation takes.", InstallationOptions)
    folder = Path(tempfile.mkdtemp(prefix="installation-", dir=options.folder))
    try:
        results = list(_measured(folder, options.ways, options.compiled))
    finally:
        shutil.rmtree(folder)
    if options.json:
        print_json({"python": sys.version.split()[0], "ways": list(map(asdict, results))})
    else:
        head = (
            "way",
            "clock, s",
            "processor, s",
            "download, MB",
            "on disk, MB",
            "packages",
            "torch",
        )
        print("\n".join(table(head, map(_row, results))))
    return 0


def _row(taken: Taken) -> tuple[object, ...]:
    return (
        taken.way,
        round(taken.seconds),
        round(taken.processor_seconds),
        round(taken.downloaded / 1e6),
        round(taken.on_disk / 1e6),
        taken.packages or "",
        taken.torch,
    )


def _measured(folder: Path, ways: str, compiled: Path | None) -> Iterable[Taken]:
    """Yield what each way takes, the compilation first unless a wheel is `compiled`."""
    helper = folder / "helper"
    _run([sys.executable, "-m", "venv", str(helper)])
    _run([str(helper / "bin/pip"), "install", "-q", "--upgrade", "pip", "uv"])
    wheels = folder / "wheels"
    wheels.mkdir()
    source = _compiled_from(helper, folder / "source")
    command = [str(helper / "bin/pip"), "wheel", "-q", "--no-deps", "--no-cache-dir"]
    if compiled:
        shutil.copy(compiled, wheels)
    else:
        yield _timed(
            f"{COMPILED} compiled",
            lambda: _run([*command, "-w", str(wheels), str(source)], _compiler()),
            lambda: (source.stat().st_size, _size(wheels)),
        )
    _run([sys.executable, "-c", _BUILD, str(wheels)])
    ours = next(wheels.glob("budgetai-*"))
    counter = Counter(helper, {COMPILED: source.stat().st_size, "budgetai": ours.stat().st_size})
    for extras in ("server", "all")[: 1 if ways == "server" else 2]:
        requirement = f"budgetai[{extras}] @ {ours.as_uri()}"
        yield _by_pip(folder / f"pip-{extras}", wheels, requirement, counter)
        yield _by_uv(folder / f"uv-{extras}", helper / "bin/uv", wheels, requirement, counter)
    if ways == "all":
        yield _by_make(folder / "clone", wheels, counter)


def _compiled_from(helper: Path, into: Path) -> Path:
    """Download the source of what is compiled."""
    command = [str(helper / "bin/pip"), "download", "-q", "--no-deps", "--no-binary", COMPILED]
    _run([*command, "-c", str(ROOT / "constraints.txt"), "-d", str(into), COMPILED])
    return next(into.iterdir())


def _compiler() -> dict[str, str]:
    """Return the flags with which scripts/install.sh compiles on this machine."""
    if not (Path(sys.prefix) / ".without-amx").exists():
        return {}
    names = ("CFLAGS", "CXXFLAGS")
    return {name: f"{os.environ.get(name, '')} -U__AMX_INT8__" for name in names}


def _by_pip(folder: Path, wheels: Path, requirement: str, counter: "Counter") -> Taken:
    python = folder / "bin/python"

    def install() -> None:
        _run([sys.executable, "-m", "venv", str(folder)])
        command = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir"]
        _run([*command, requirement], {"PIP_FIND_LINKS": _links("PIP_FIND_LINKS", wheels)})

    return _timed(_way("pip", requirement), install, lambda: counter.of(python, folder))


def _by_uv(folder: Path, uv: Path, wheels: Path, requirement: str, counter: "Counter") -> Taken:
    places = {
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_PYTHON": sys.executable,
        "UV_FIND_LINKS": _links("UV_FIND_LINKS", wheels, ","),
    }
    return _timed(
        _way("uv", requirement),
        lambda: _run([str(uv), "tool", "install", "-q", requirement], places),
        # Its cache holds the same files by hard links.
        lambda: counter.of(folder / "tools/budgetai/bin/python", folder / "tools"),
    )


def _by_make(folder: Path, wheels: Path, counter: "Counter") -> Taken:
    _run(["git", "clone", "-q", str(ROOT), str(folder)])
    links = _links("PIP_FIND_LINKS", wheels)
    return _timed(
        "make install",
        lambda: _run(
            ["make", "-s", "install", f"PYTHON={sys.executable}"],
            {"PIP_FIND_LINKS": links, "PIP_CACHE_DIR": str(folder / "cache")},
            cwd=folder,
        ),
        lambda: counter.of(folder / ".venv/bin/python", folder / ".venv"),
    )


def _way(program: str, requirement: str) -> str:
    return f"{program}, {requirement.partition(' ')[0]}"


def _links(name: str, wheels: Path, between: str = " ") -> str:
    return between.join(filter(None, (str(wheels), os.environ.get(name))))


class Counter:
    """The sizes of the files that an index has for what is installed."""

    def __init__(self, helper: Path, known: dict[str, int]) -> None:
        """Ask with the pip of `helper`. `known` are sizes of what is not asked for."""
        self._pip = [str(helper / "bin/python"), "-m", "pip"]
        self._report = helper / "report.json"
        self._known = known

    def of(self, python: Path, folder: Path) -> tuple[int, int, int, str]:
        """Return the bytes that an environment was made of, those in a folder, how many packages it
        has, and the version of its torch."""
        listed = [*self._pip, "--python", str(python), "list", "--format", "json"]
        rows = json.loads(_run(listed))
        packages = {row["name"].lower().replace("_", "-"): row["version"] for row in rows}
        pins = [
            f"{name}=={version}"
            for name, version in packages.items()
            if name not in self._known and name not in ("pip", "setuptools")
        ]
        command = [*self._pip, "install", "-q", "--dry-run", "--ignore-installed", "--no-deps"]
        # What is installed stands, whatever versions this machine asks of others.
        unconstrained = {"PIP_CONSTRAINT": os.devnull}
        _run([*command, "--report", str(self._report), *pins], unconstrained)
        report = json.loads(self._report.read_text())
        urls = [item["download_info"]["url"] for item in report["install"]]
        known = sum(self._known[name] for name in packages if name in self._known)
        downloaded = sum(map(_file_size, urls)) + known
        return downloaded, _size(folder), len(packages), packages.get("torch", "")


def _file_size(url: str) -> int:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path)).stat().st_size
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
        return int(answer.headers["Content-Length"])


def _size(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def _timed(way: str, work: Callable[[], object], count: Callable[[], tuple[Any, ...]]) -> Taken:
    print(way, file=sys.stderr, flush=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"    {ended - began:.0f} s, {processor:.0f} s of processor time",
        file=sys.stderr,
        flush=True,
    )
    return Taken(way, ended - began, processor, *count())


def _run(command: list[str], more: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Return what a command prints. Raises BudgetAIError with its last words where it fails."""
    env = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MAKEFLAGS")
    }
    done = subprocess.run(
        command, cwd=cwd, env=env | dict(more or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise BudgetAIError(f"{Path(command[0]).name} failed: {' '.join(words)}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
