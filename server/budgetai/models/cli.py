"""`budgetai models`: the command line around inventory, bases and archives."""

import dataclasses
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import OptionError
from budgetai_core.options import option

if TYPE_CHECKING:
    from budgetai.models.inventory import Artifact

PROGRAM = "budgetai models"
ABOUT = (
    "List, show, add, remove, export and import models. All of them live in your data folder. "
    "Without a name, the model is meant that the current repository gets."
)
ACTIONS = ("list", "show", "add", "remove", "export", "import")


@dataclass(frozen=True, kw_only=True)
class ModelsOptions:
    """What to do, and with which model."""

    action: str = option("list", "what is to be done", choices=ACTIONS, positional=True)
    names: tuple[str, ...] = option(
        (),
        "show, remove: a name of the list; add: smollm2-135m, a Hub id, owner/name:file.gguf or a"
        " .gguf file; export: [NAME] FILE; import: FILE",
        positional=True,
    )
    repo: Path = option(Path(), "repository it is about", unit="folder")
    any_repository: bool = option(False, "import a model that was made for another repository")
    yes: bool = option(False, "do not ask before something is fetched or removed")
    json: bool = option(False, "print the result as JSON")


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0, 2 for a mistake, 130 when interrupted."""
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    options = parse(PROGRAM, ABOUT, ModelsOptions, argv)
    from budgetai_core.artifacts import layout

    layout.remember(options.repo)
    actions = {
        "list": _list,
        "show": _show,
        "add": _add,
        "remove": _remove,
        "export": _export,
        "import": _import,
    }
    return actions[options.action](options)


def _names(options: ModelsOptions, at_least: int, at_most: int, usage: str) -> list[str]:
    if not at_least <= len(options.names) <= at_most:
        raise OptionError(
            f"{options.action} and {len(options.names)} names", f"Use {PROGRAM} {usage}"
        )
    return list(options.names)


def _list(options: ModelsOptions) -> int:
    from budgetai.models.inventory import artifacts

    _names(options, 0, 0, "list")
    rows = artifacts(options.repo)
    if options.json:
        print_json([_as_json(row) for row in rows])
        return 0
    if not rows:
        print("Nothing yet. Begin with budgetai train, or budgetai models add smollm2-135m")
        return 0
    width = max(len(row.name) for row in rows)
    repository = None
    for row in rows:
        if row.repository != repository:
            repository = row.repository
            print(repository or "bases")
        mark = "*" if row.served else " "
        print(f"  {mark} {row.name:{width}}  {row.kind:8}  {row.size / 1e6:9,.1f} MB  {row.date}")
    total = sum(row.size for row in rows)
    print(f"{total / 1e6:,.1f} MB in all; * is what this repository gets")
    return 0


def _as_json(row: "Artifact") -> dict[str, Any]:
    return dataclasses.asdict(row) | {"path": str(row.path), "made": row.date}


def _show(options: ModelsOptions) -> int:
    from budgetai.models.inventory import named
    from budgetai_core.artifacts.atomic_write import read_json
    from budgetai_core.artifacts.manifest import MANIFEST

    names = _names(options, 0, 1, "show [NAME]")
    row = named(options.repo, names[0] if names else "")
    file = row.path / MANIFEST if row.path.is_dir() else row.path.with_suffix(".json")
    try:
        manifest = read_json(file)
    except (OSError, ValueError, RecursionError):
        manifest = {}
    if options.json:
        print_json(_as_json(row) | {"manifest": manifest})
        return 0
    print(f"{row.kind:12} {row.name}")
    print(f"{'repository':12} {row.repository_name or '-'}")
    print(f"{'path':12} {row.path}")
    print(f"{'size':12} {row.size / 1e6:,.1f} MB, made {row.date}")
    for line in _told(manifest if isinstance(manifest, dict) else {}):
        print(line)
    return 0


def _told(manifest: dict[str, Any]) -> list[str]:
    """Return what a manifest says, number by number; lists of files are counted."""
    base = manifest.get("base")
    lines = [f"{'base':12} {base.get('location', '-')}"] if isinstance(base, dict) else []
    for key in ("adapter", "method", "quant", "rank", "chosen_rank", "prompt_format", "finished"):
        if manifest.get(key):
            lines.append(f"{key:12} {manifest[key]}")
    for key in ("scores", "checks", "versions"):
        values = manifest.get(key)
        if isinstance(values, dict):
            told = ", ".join(f"{name} {_short(value)}" for name, value in values.items())
            lines += [f"{key:12} {told}"] if told else []
    for entry in manifest.get("adapters") or ():
        if isinstance(entry, dict):
            lines.append(f"{'adapter':12} {entry.get('name')}, {entry.get('task', 'completion')}")
    return lines


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _add(options: ModelsOptions) -> int:
    from budgetai.models.bases import offer

    (name,) = _names(options, 1, 1, "add NAME")
    offered = offer(name)
    print(offered, file=sys.stderr)
    if not _agreed(options, "Fetch it?"):
        return 1
    path = offered.fetch()
    if options.json:
        print_json({"name": offered.use, "path": str(path), "licence": offered.licence})
    else:
        print(f"base       {path}")
        print(f"next       {shlex.join(['budgetai', 'train', '--base', offered.use])}")
        if path.suffix == ".gguf":
            print(f"as it is   {shlex.join(['budgetai', 'serve', '--model', offered.use])}")
    return 0


def _remove(options: ModelsOptions) -> int:
    from budgetai.models.inventory import named, remove

    rows = [named(options.repo, name) for name in _names(options, 1, 1000, "remove NAME …")]
    for row in rows:
        where = f" of {row.repository_name}" if row.repository else ""
        print(f"{row.kind} {row.name}{where}: {row.size / 1e6:,.1f} MB", file=sys.stderr)
    if not _agreed(options, "Remove for good?"):
        return 1
    for row in rows:
        remove(row)
    freed = sum(row.size for row in rows)
    if options.json:
        print_json({"removed": [str(row.path) for row in rows], "bytes": freed})
    else:
        print(f"{freed / 1e6:,.1f} MB are free again")
    return 0


def _agreed(options: ModelsOptions, question: str) -> bool:
    """Ask on a terminal; elsewhere --yes has to be said."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise OptionError(f"{options.action} asks first, and nobody is there", "Add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _export(options: ModelsOptions) -> int:
    from budgetai.models.archive import SUFFIX, export
    from budgetai.models.inventory import BUNDLE, MODEL, named

    names = _names(options, 1, 2, "export [NAME] FILE")
    target = Path(names[-1])
    if not target.suffix:
        target = target.with_name(target.name + SUFFIX)
    if target.exists():
        raise OptionError(f"{target} is there already", "Name a file that is not")
    row = named(options.repo, names[0] if len(names) == 2 else "", (MODEL, BUNDLE))
    export(row, target)
    size = target.stat().st_size
    if options.json:
        print_json({"file": str(target), "size": size})
    else:
        print(f"exported   {row.kind} {row.name} of {row.repository_name}")
        print(f"file       {target}, {size / 1e6:,.1f} MB")
        print(f"there      {shlex.join(['budgetai', 'models', 'import', target.name])}")
        print("It holds what was learned of the code: give it to those who may see that.")
    return 0


def _import(options: ModelsOptions) -> int:
    from budgetai.models.archive import import_archive

    (name,) = _names(options, 1, 1, "import FILE")
    path = import_archive(Path(name), options.repo, any_repository=options.any_repository)
    if options.json:
        print_json({"model": str(path)})
    else:
        print(f"model      {path}")
        print("next       budgetai-server finds it by itself; start your editor")
    return 0


if __name__ == "__main__":
    sys.exit(main())
