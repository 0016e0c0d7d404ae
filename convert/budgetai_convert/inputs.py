"""What the user named to be converted: adapters, or a model as it is."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from budgetai_convert.model import rank_truncation
from budgetai_convert.model.adapter import Adapter
from budgetai_convert.options import ConvertOptions
from budgetai_core.artifacts import base_models, layout
from budgetai_core.errors import AdapterError, OptionError, RepositoryError


@contextmanager
def adapters(options: ConvertOptions) -> Iterator[tuple[Adapter, ...]]:
    """The adapters, cut to the rank that is wanted; none for a model that is converted as it is.
    Raises AdapterError, BaseError or OptionError."""
    models = [one for one in options.source if is_model(one)]
    if models:
        _check_alone(options, models[0])
        yield ()
        return
    with ExitStack() as stack:
        folders = options.source or (newest(options),)
        found = [
            stack.enter_context(rank_truncation.at_rank(one, options.rank, options.base))
            for one in folders
        ]
        yield tuple(_tasked(one, options.task) for one in found)


def only_adapter(options: ConvertOptions) -> Path:
    """The one adapter's folder, for what is made of a single one."""
    if len(options.source) > 1:
        raise OptionError(f"{len(options.source)} adapters at once", "Only a bundle holds several")
    return options.source[0] if options.source else newest(options)


def is_model(given: Path) -> bool:
    """Whether this is a model rather than an adapter: a file, a folder of one, or a known name.
    What begins with the name of a folder here is no Hub id."""
    if given.is_file() or (given / "config.json").is_file():
        return True
    if given.exists() or (given.parts and Path(given.parts[0]).exists()):
        return False
    return base_models.is_name(str(given))


def _check_alone(options: ConvertOptions, model: Path) -> None:
    """Raises OptionError for what goes with adapters only."""
    if len(options.source) > 1:
        raise OptionError(f"{model} is a model, and more is named", "Convert one at a time")
    if options.rank:
        raise OptionError(f"--rank {options.rank}: {model} is no adapter", "Leave it out")
    for flag, value in (("--bundle", options.bundle), ("--add-to", options.add_to)):
        if value:
            raise OptionError(f"{model} has no adapter to bundle", f"Leave {flag} out")


def newest(options: ConvertOptions) -> Path:
    """The newest adapter of the repository."""
    repo = options.repo or Path.cwd()
    if not repo.is_dir():
        raise RepositoryError(f"no such repository: {repo}", "Give --repo a folder that exists")
    found = layout.newest_adapter(repo)
    if found is None:
        raise AdapterError(f"no adapter for {repo.resolve()}", "Run budgetai-train first")
    return found


def _tasked(adapter: Adapter, task: str) -> Adapter:
    if not task:
        return adapter
    return dataclasses.replace(adapter, manifest=dataclasses.replace(adapter.manifest, task=task))
