"""Results of a long benchmark, on disk as soon as each is there: a second call goes on.

<folder>/results.json
    settings    what the results hold for
    results     by name
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.errors import OptionError


class Ledger:
    """What has been measured in a folder, under settings that stay the same."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """Raises OptionError where the folder holds results of other settings."""
        self._file = folder / "results.json"
        plain = {name: str(value) for name, value in settings.items()}
        kept = read_json(self._file) if self._file.exists() else {"settings": plain, "results": {}}
        changed = sorted(n for n in plain if plain[n] != kept["settings"].get(n))
        if changed:
            raise OptionError(
                f"{self._file} was measured with another {', '.join(changed)}",
                "Name another folder with --work, or remove this one",
            )
        self._kept: dict[str, Any] = kept
        self._lock = Lock()

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """The result of that name; measured, and written, where there is none yet."""
        results = self._kept["results"]
        if name not in results:
            found = measure()
            with self._lock:
                results[name] = found
                write_json(self._file, self._kept)
        return results[name]

    def all(self, asked: Mapping[str, Callable[[], Any]], jobs: int) -> None:
        """The results of all names, so many at once, begun in their order. Raises what the first
        one that failed has raised, when all are over: what there is has taken long."""
        with ThreadPoolExecutor(jobs) as pool:
            begun = [pool.submit(self.once, name, measure) for name, measure in asked.items()]
        for one in begun:
            one.result()

    @property
    def results(self) -> dict[str, Any]:
        return dict(self._kept["results"])
