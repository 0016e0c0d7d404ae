"""What an adapter and a model say of themselves, as `manifest.json` or `<model>.json`."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.errors import AdapterError

MANIFEST = "manifest.json"

# Methods that train LoRAs of several ranks at once, up to the adapter's own.
NESTED = ("dylora", "matryoshka")
# Methods to compare with, which change more than weights of linear layers, or all of them.
COMPARED = ("full", "parallel-adapter", "prefix")


@dataclass(frozen=True, kw_only=True)
class BaseRecord:
    """Which base a model was tuned from. `location` is a name, a Hub id or a path."""

    kind: str
    location: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class AdapterManifest:
    """Written by the trainer beside `adapter_config.json`.

    `scores` holds losses in nats per token; `counts` numbers of files, samples, tokens, steps.
    `held_out` are paths; with a `holdout`, as since:<commit>, only what they hold since then.
    `also` names further repositories, whose paths have the name in front.
    An adapter that holds all ranks up to `rank` names the one to be used, `chosen_rank`, and the
    held-out losses it was chosen by, in `rank_losses`; 0 is `rank` itself. `task` is what it was
    trained to write: completion or docstring.
    """

    prompt_format: int
    base: BaseRecord
    repository: str
    method: str
    rank: int
    load_in: str
    seed: int
    held_out: tuple[str, ...]
    counts: dict[str, int]
    scores: dict[str, float | None]
    seconds: dict[str, float]
    versions: dict[str, str]
    finished: str
    task: str = "completion"
    holdout: str = ""
    also: tuple[str, ...] = ()
    learned: dict[str, str] = field(default_factory=dict)
    chosen_rank: int = 0
    rank_losses: dict[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Return the method without its variations."""
        return self.method.partition(" ")[0]

    @property
    def usual_rank(self) -> int:
        """Return the rank to be used where none is asked for."""
        return self.chosen_rank or self.rank

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, dataclasses.asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read an adapter's manifest. Raises AdapterError, with the key that is wrong."""
        try:
            return structured(cls, read_json(folder / MANIFEST))
        except FileNotFoundError:
            raise AdapterError(
                f"no {MANIFEST} in {folder}", "Give a folder that budgetai-train made"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise AdapterError(f"{folder / MANIFEST} cannot be read: {error}") from None


@dataclass(frozen=True, kw_only=True)
class ModelManifest:
    """Written by the converter beside a GGUF file. `checks` are the numbers of verification;
    `rank` is that of the update merged in, 0 where it was not noted; `task` that of its adapter."""

    prompt_format: int
    base: BaseRecord
    adapter: str
    quant: str
    size: int
    held_out: tuple[str, ...]
    scores: dict[str, float | None]
    checks: dict[str, float]
    versions: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)
    holdout: str = ""
    also: tuple[str, ...] = ()
    rank: int = 0
    task: str = "completion"

    def write(self, model: Path) -> None:
        write_json(self.path(model), dataclasses.asdict(self))

    @staticmethod
    def path(model: Path) -> Path:
        return model.with_suffix(".json")

    @classmethod
    def find(cls, model: Path) -> Self | None:
        """Return the manifest beside a model, or None: files from elsewhere have none of ours."""
        try:
            return structured(cls, read_json(cls.path(model)))
        except (OSError, ValueError, RecursionError):
            return None


def held_in(name: str, manifest: AdapterManifest | ModelManifest) -> frozenset[str]:
    """Return the paths of one repository that a manifest holds out. Where several were learned,
    those of all but the first have their repository's name in front; the first one may have been
    renamed since."""
    others = [path for path in manifest.held_out if path.startswith(f"{name}:")]
    if others or name in manifest.also:
        return frozenset(path.removeprefix(f"{name}:") for path in others)
    return frozenset(manifest.held_out)
