"""`budgetai status`: what there is for a repository, and what comes next."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetai_core.command import parse, print_json, run
from budgetai_core.options import option

PROGRAM = "budgetai status"
ABOUT = "Say what was made for a repository: model, adapter, index, usage; and what comes next."


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """Of which repository."""

    repo: Path = option(Path(), "repository to look at", unit="folder")
    json: bool = option(False, "print it as JSON")


@dataclass(frozen=True, kw_only=True)
class Status:
    """What there is; paths are None where nothing is. `losses` are those on held-out files, before
    and after training; `elsewhere` says that the model was made for another clone of it, or for a
    folder above. `promotion` says in a sentence what became of the newest candidate, and why."""

    repository: str
    folder: str
    model: str | None = None
    model_bytes: int = 0
    quant: str = ""
    base: str = ""
    elsewhere: bool = False
    adapter: str | None = None
    finished: str = ""
    losses: tuple[float | None, float | None] = (None, None)
    unfinished: str | None = None
    promotion: str = ""
    index_bytes: int = 0
    suggestions: int = 0
    next: str = ""


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    options = parse(PROGRAM, ABOUT, StatusOptions, argv)
    there = status(options.repo.resolve())
    if options.json:
        print_json(dataclasses.asdict(there))
    else:
        print(_text(there))
    return 0


def status(root: Path) -> Status:
    """Look at what there is for the repository at `root`."""
    from budgetai_core.artifacts import layout, promotion

    layout.remember(root)
    model, adapter = layout.newest_model(root), layout.newest_adapter(root)
    unfinished, promoted = layout.newest_partial(root), promotion.latest(root)
    index = layout.repository_folder(root) / "index.sqlite"
    return Status(
        repository=str(root),
        folder=str(layout.repository_folder(root)),
        elsewhere=bool(model and not model.is_relative_to(layout.repository_folder(root))),
        unfinished=str(unfinished) if unfinished else None,
        promotion=f"{promoted.outcome}: {promoted.reason}" if promoted else "",
        index_bytes=index.stat().st_size if index.is_file() else 0,
        suggestions=_suggestions(layout.usage(root)),
        next=_next(model, adapter, unfinished, promoted.adapter if promoted else ""),
        **(_of_model(model) if model else {}),
        **(_of_adapter(adapter) if adapter else {}),
    )


def _of_model(model: Path) -> dict[str, Any]:
    from budgetai.models.inventory import size_on_disk
    from budgetai_core.artifacts.atomic_write import read_json
    from budgetai_core.artifacts.manifest import MANIFEST

    try:
        told = read_json(model / MANIFEST if model.is_dir() else model.with_suffix(".json"))
    except (OSError, ValueError, RecursionError):
        told = {}
    base = told.get("base") if isinstance(told, dict) else None
    return {
        "model": str(model),
        "model_bytes": size_on_disk(model),
        "quant": str(told.get("quant", "")) if isinstance(told, dict) else "",
        "base": str(base.get("location", "")) if isinstance(base, dict) else "",
    }


def _of_adapter(adapter: Path) -> dict[str, Any]:
    from budgetai_core.artifacts.manifest import AdapterManifest
    from budgetai_core.errors import AdapterError

    try:
        manifest = AdapterManifest.read(adapter)
    except AdapterError:
        return {"adapter": str(adapter)}
    before, after = (manifest.scores.get(f"held_out_loss_{when}") for when in ("before", "after"))
    return {"adapter": str(adapter), "finished": manifest.finished, "losses": (before, after)}


def _suggestions(usage: Path) -> int:
    from budgetai_server.workspace.usage.store import read

    return len(read(usage))


def _next(model: Path | None, adapter: Path | None, unfinished: Path | None, judged: str) -> str:
    """Return the next step. `judged` is the adapter of the newest candidate."""
    if unfinished and (adapter is None or unfinished.name > adapter.name):
        return "budgetai train --resume, if no other training runs"
    if adapter and adapter.name != judged and (model is None or adapter.name > model.name):
        return "budgetai convert"
    if model is None:
        return "budgetai train; budgetai doctor says which --base suits this machine"
    return "start your editor; budgetai eval says how good it is"


def _text(status: Status) -> str:
    before, after = status.losses
    model = "none"
    if status.model:
        what = ", ".join(filter(None, [status.quant, f"{status.model_bytes / 1e6:,.1f} MB"]))
        where = ", made for another clone or a folder above" if status.elsewhere else ""
        model = f"{status.model} ({what}{where})"
    adapter = "none"
    if status.adapter:
        adapter = f"{status.adapter} ({status.finished or 'its manifest cannot be read'})"
    rows = {
        "repository": status.repository,
        "data": status.folder,
        "model": model,
        "base": status.base,
        "adapter": adapter,
        "held-out loss": f"{before:.3f} before, {after:.3f} after" if before and after else "",
        "candidate": status.promotion,
        "unfinished": status.unfinished or "",
        "index": f"{status.index_bytes / 1e6:,.1f} MB" if status.index_bytes else "not made yet",
        "suggestions": f"{status.suggestions} shown; budgetai eval --usage says what became of them"
        if status.suggestions
        else "none shown yet",
        "next": status.next,
    }
    return "\n".join(f"{name:14} {text}" for name, text in rows.items() if text)


if __name__ == "__main__":
    sys.exit(main())
