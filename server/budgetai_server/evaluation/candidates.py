"""What of a model is compared: a GGUF file as it is; of a bundle its base and its adapters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.manifest import MANIFEST, ModelManifest
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.inference.local import LocalEngine
from budgetai_server.loader import open_file
from budgetai_server.options import ServerOptions


@contextmanager
def candidates(model: Path, task: str) -> Iterator[list[LocalEngine]]:
    """Yield engines to compare, which share what is loaded: of a bundle the base alone, and one for
    each adapter of the task. Raises ModelError for what cannot be loaded."""
    bundle = Bundle.read(model) if model.is_dir() else None
    engine = LocalEngine(bundle.base if bundle else model)
    try:
        yield _with_adapters(engine, bundle, task)
    finally:
        engine.close()


@contextmanager
def served(model: Path, task: str) -> Iterator[list[tuple[LocalEngine, CompletionPolicy]]]:
    """Yield what `candidates` does, each with the policy by which a server with default options
    shows its answers: the speed of this machine decides how much the model is shown and may
    write."""
    bundle = Bundle.read(model) if model.is_dir() else None
    opened = open_file(bundle.base if bundle else model, ServerOptions())
    engine = opened.engine
    assert isinstance(engine, LocalEngine)
    try:
        yield [(of, opened.policy) for of in _with_adapters(engine, bundle, task)]
    finally:
        engine.close()


def _with_adapters(engine: LocalEngine, bundle: Bundle | None, task: str) -> list[LocalEngine]:
    engines = [engine]
    for entry in bundle.adapters if bundle else ():
        if bundle and entry.task == task:
            bundle.check(entry)
            engine.add(entry.name, bundle.path(entry), entry.scale)
            engines.append(engine.adapted(entry.name))
    return engines


def named(model: Path, adapter: str) -> str:
    """Return the name of a candidate, for a table."""
    return f"{model.name} with {adapter}" if adapter else model.name


def manifest_of(model: Path) -> ModelManifest | None:
    """Return what a file or a bundle says of its making, or None."""
    return ModelManifest.find(model / MANIFEST if model.is_dir() else model)
