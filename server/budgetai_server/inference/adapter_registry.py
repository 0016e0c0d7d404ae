"""The adapters of a bundle, laid over the one model that serves it: which of them speaks where,
and what has come, gone or changed in the folder since.

A bundle is looked at whenever someone asks for something; nothing here has a thread of its own.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from budgetai_core.artifacts.bundle import NO_ADAPTER, AdapterEntry, Bundle
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.errors import ModelError
from budgetai_server.inference.local import LocalEngine

_PAUSE_SECONDS = 2.0
"""Seconds between two looks at the folder."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class _Loaded:
    """An adapter in memory: its entry, the file it came from, and the model with it. Whoever has
    spoken with an older one of the same name was another `engine`."""

    entry: AdapterEntry
    stamp: Stamp
    engine: LocalEngine


@dataclass(frozen=True)
class _Served:
    """What is in use, replaced as a whole: the event loop reads it, the model's thread sets it."""

    bundle: Bundle
    loaded: dict[str, _Loaded]


class AdapterRegistry:
    """Made, and brought up to date, on the model's thread; `engine_for` and `stale` are for any."""

    def __init__(
        self, engine: LocalEngine, bundle: Bundle, *, only: str = "", scale: float = 1.0
    ) -> None:
        """Load the base's adapters. `only` names the adapter for all completions; `scale` is a
        factor on each adapter's own. Raises ModelError where there is none of that name. `refused`
        says what could not be used, in sentences."""
        self._engine, self._only, self._scale = engine, only, scale
        self._manifest = bundle.folder / MANIFEST
        self._base = _stamp(bundle.base)
        self._seen, self._looked = _stamp(self._manifest), time.monotonic()
        self._served = _Served(replace(bundle, adapters=()), {})
        self._check(bundle)
        self.refused = self._serve(bundle)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._served.loaded)

    def __str__(self) -> str:
        entries = [adapter.entry for adapter in self._served.loaded.values()]
        return ", ".join(f"{entry.name} for {entry.task}s" for entry in entries) or "no adapters"

    def engine_for(self, task: str, language: str = "", repository: str = "") -> LocalEngine:
        """Return the model with the adapter that fits best, or alone. It is another object after
        the adapter was replaced."""
        served = self._served
        if task == "completion" and self._only:
            name = self._only
        else:
            entry = served.bundle.adapter_for(task, language, repository)
            name = entry.name if entry else NO_ADAPTER
        return served.loaded[name].engine if name in served.loaded else self._engine

    def stale(self) -> bool:
        """Return whether the bundle may be another one on disk; looks there every few seconds at
        most."""
        now = time.monotonic()
        if now - self._looked < _PAUSE_SECONDS:
            return False
        self._looked = now
        return _stamp(self._manifest) != self._seen

    def update(self) -> tuple[str, ...]:
        """Take up what the bundle holds now. Returns what is wrong with the rest, in sentences:
        what was served in its place before goes on."""
        self._seen = _stamp(self._manifest)
        try:
            bundle = Bundle.read(self._served.bundle.folder)
            self._check(bundle)
            self.refused = self._serve(bundle)
        except ModelError as error:
            self.refused = (str(error),)
        return self.refused

    def _check(self, bundle: Bundle) -> None:
        if bundle.base_file != self._served.bundle.base_file or _stamp(bundle.base) != self._base:
            raise ModelError(
                f"the base of {bundle.folder} is another one now", "Restart the server"
            )
        if self._only not in ("", NO_ADAPTER) and not bundle.named(self._only):
            known = ", ".join(entry.name for entry in bundle.adapters)
            raise ModelError(
                f"{bundle.folder} has no adapter {self._only}", f"Use {NO_ADAPTER}, {known}"
            )

    def _serve(self, bundle: Bundle) -> tuple[str, ...]:
        old, loaded, refused = self._served.loaded, dict[str, _Loaded](), []
        for entry in bundle.adapters:
            try:
                loaded[entry.name] = self._load(bundle, entry)
            except ModelError as error:
                refused.append(str(error))
                if entry.name in old:
                    loaded[entry.name] = old[entry.name]
        entries = tuple(adapter.entry for adapter in loaded.values())
        self._served = _Served(replace(bundle, adapters=entries), loaded)
        for name in old.keys() - loaded.keys():
            self._engine.remove(name)
        return tuple(refused)

    def _load(self, bundle: Bundle, entry: AdapterEntry) -> _Loaded:
        """Load an adapter, unless it is the one that is loaded."""
        path = bundle.path(entry)
        stamp = _stamp(path)
        old = self._served.loaded.get(entry.name)
        if old and (old.entry, old.stamp) == (entry, stamp):
            return old
        bundle.check(entry)
        self._engine.add(entry.name, path, entry.scale * self._scale)
        return _Loaded(entry, stamp, self._engine.adapted(entry.name))


def _stamp(path: Path) -> Stamp:
    """Return what tells one version of a file from another; all zero if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0, 0
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
