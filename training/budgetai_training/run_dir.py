"""A run that is not finished, as a folder: what was decided at its start, and its checkpoints.

<adapter>.partial/
    run.json            options, digest of the base, plan, losses before, learning rate, …
    logs/               TensorBoard's
    checkpoint-<step>/  the HF Trainer's own, with spent.json, the seconds used
"""

import dataclasses
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from filelock import FileLock, Timeout

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.errors import AdapterError, OptionError, StorageError
from budgetai_core.options import Seconds, flag_name
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.options import TrainOptions, of_earlier_version

FINAL = "final"
SPENT_FILE = "spent.json"
LOGS = "logs"
LOCK = "lock"
# These may be given anew when a run is resumed. All others are those of its beginning, or it would
# be another run.
LIMITS = ("budget", "max_steps", "checkpoint_every", "memory")
# These are not of the run.
NOT_OF_THE_RUN = ("repo", "out", "compare", "convert", "resume", "dry_run", "json")
FIXED = tuple(f.name for f in fields(TrainOptions) if f.name not in (*LIMITS, *NOT_OF_THE_RUN))


@dataclass(frozen=True)
class RunFolder:
    """`path` is the working folder, `out` where the finished adapter goes."""

    path: Path
    out: Path

    @classmethod
    def place(cls, options: TrainOptions) -> "RunFolder":
        """Return a folder for a new run. Raises OptionError where something stands in the way."""
        out = options.out.absolute() if options.out else layout.new_adapter(options.repo)
        if out.exists():
            raise OptionError(f"--out {out} exists already", "Name a folder that does not exist")
        folder = cls(_working(out), out)
        if (folder.path / layout.RUN_FILE).exists():
            raise OptionError(
                f"an unfinished run stands at {folder.path}",
                "Add --resume to go on with it, or remove it",
            )
        # A run that ended before it had begun leaves its lock.
        if folder.path.exists() and any(p.name != LOCK for p in folder.path.iterdir()):
            raise OptionError(
                f"{folder.path} is needed for the run, and is something else",
                "Name another --out, or remove it",
            )
        return folder

    @classmethod
    def unfinished(cls, options: TrainOptions) -> "RunFolder":
        """Return the run to resume. Raises AdapterError where there is none."""
        out = options.out.absolute() if options.out else None
        path = _working(out) if out and out.name else layout.newest_partial(options.repo)
        if path is None or not (path / layout.RUN_FILE).exists():
            raise AdapterError(
                f"no unfinished run of {options.repo} to resume", "Start one without --resume"
            )
        return cls(path, path.with_name(path.name.removesuffix(layout.PARTIAL)))

    def begin(self, options: TrainOptions, digest: str) -> None:
        """Note what a new run is made of."""
        values = {f.name: getattr(options, f.name) for f in fields(options)}
        values["repo"] = options.repo.resolve()
        values["base"] = _fixed_base(options.base)
        plain = {name: _plain(value) for name, value in values.items()}
        write_json(self.path / layout.RUN_FILE, {"options": plain, "base": digest})
        layout.remember(options.repo)

    def options(self, asked: TrainOptions) -> TrainOptions:
        """Return the options to resume with: those of the beginning, but for a limit given anew.

        Raises OptionError for what would make it another run.
        """
        kept = of_earlier_version(self._read()["options"])
        if str(asked.repo.resolve()) != kept["repo"]:
            raise OptionError(
                f"the unfinished run is of {kept['repo']}",
                f"Add --repo {shlex.quote(kept['repo'])}",
            )
        usual = TrainOptions()
        asked = dataclasses.replace(asked, base=_fixed_base(asked.base))
        for name in FIXED:
            given = getattr(asked, name)
            if given != getattr(usual, name) and _plain(given) != kept.get(name):
                raise OptionError(
                    f"the unfinished run has {flag_name(name)} {kept.get(name)}, not {given}",
                    "Leave it out, or start a new run without --resume",
                )
        again = [n for n in LIMITS if getattr(asked, n) == getattr(usual, n)]
        known = [n for n in (*FIXED, *again) if n in kept]
        return dataclasses.replace(asked, **{n: _as_option(n, kept[n]) for n in known})

    def check_base(self, digest: str) -> None:
        """Raise AdapterError unless the run began with the base of this digest."""
        if self._read()["base"] != digest:
            raise AdapterError(
                "the base has changed since the run began", "Start a new run without --resume"
            )

    def once(
        self, name: str, make: Callable[[], dict[str, Any]], *, by_all: bool = False
    ) -> dict[str, Any]:
        """Return what was decided at the run's start under `name`; decided by `make` the first
        time, by the first process, or by all at once where `make` runs the model."""
        # The command line needs this module before torch is loaded.
        from budgetai_training import process_group

        kept = process_group.on_main_process(self._read)
        if name not in kept:
            kept[name] = (
                process_group.broadcast(make()) if by_all else process_group.on_main_process(make)
            )
            process_group.on_main_process(lambda: write_json(self.path / layout.RUN_FILE, kept))
        return dict(kept[name])

    def held_out(self) -> tuple[str, ...] | None:
        """Return the names of the files that the run holds out since its beginning, if it has
        begun."""
        if not (self.path / layout.RUN_FILE).exists():
            return None
        kept = self._read().get("held_out")
        return tuple(kept["names"]) if kept else None

    def checkpoint(self) -> Path | None:
        """Return the newest complete checkpoint; the file with the time spent is written last."""
        complete = [path.parent for path in self.path.glob(f"checkpoint-*/{SPENT_FILE}")]
        return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def spent(self) -> float:
        """Return seconds that earlier processes used up to the newest checkpoint."""
        checkpoint = self.checkpoint()
        return float(read_json(checkpoint / SPENT_FILE)["seconds"]) if checkpoint else 0.0

    @classmethod
    def opened(cls, options: TrainOptions) -> tuple["RunFolder", TrainOptions]:
        """Return the folder to work in, and the options to go on with where a run is resumed."""
        if options.resume:
            folder = cls.unfinished(options)
            return folder, folder.options(options)
        return cls.place(options), options

    @contextmanager
    def kept_if_resumable(self) -> Iterator[None]:
        """Make the folder, for this run alone; after a failure it stays only if there is something
        to go on with. Raises StorageError while another process has it."""
        from budgetai_training import process_group

        if not process_group.is_main():
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StorageError(
                f"another budgetai-train is at work in {self.path}", "Wait for it, or end it first"
            ) from None
        try:
            with lock:
                yield
        except BaseException:
            written = (self.path / FINAL / MANIFEST).exists()
            if self.path.exists() and self.checkpoint() is None and not written:
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    def check_space(self, parameters: int) -> None:
        """Raise StorageError where the adapter and its checkpoints will not fit.

        Each of two checkpoints holds the parameters and Adam's two moments, in 4 bytes each.
        """
        needed = parameters * 4 * (1 + 2 * 3)
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise StorageError(
                f"the disk is full: the run needs {needed / 1e6:.0f} MB at {self.path.parent}, "
                f"{free / 1e6:.0f} MB are free",
                "Make room, or name another place with --out",
            )

    def finish(self, made: Path) -> None:
        """Move the finished adapter to its place, and remove the rest. Raises StorageError where
        that place has been taken."""
        if self.out.exists():
            raise StorageError(f"{self.out} has appeared meanwhile", f"The adapter is in {made}")
        self.out.parent.mkdir(parents=True, exist_ok=True)
        made.rename(self.out)
        shutil.rmtree(self.path, ignore_errors=True)

    def _read(self) -> dict[str, Any]:
        try:
            values: dict[str, Any] = read_json(self.path / layout.RUN_FILE)
            values["options"], values["base"]
        except (ValueError, KeyError, TypeError) as error:
            raise AdapterError(
                f"the unfinished run at {self.path} cannot be read: {type(error).__name__}",
                "Remove the folder and start a new run",
            ) from None
        return values


def _plain(value: Any) -> Any:
    """Return an option's value as JSON has it; paths as they hold in every folder."""
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, Lora):
        return str(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _as_option(name: str, value: Any) -> Any:
    """Return a kept value as the option's own type, the one in its annotation."""
    kind = get_type_hints(TrainOptions)[name]
    if isinstance(value, list):
        part = get_args(kind)[0]
        return tuple(part(item) for item in value)
    if kind in (Seconds, Lora):
        return Seconds(value) if kind is Seconds else Lora.parse(value)
    return Path(value) if value is not None and Path in (kind, *get_args(kind)) else value


def _fixed_base(base: str) -> str:
    """Return a base that is a path, as one that holds in every folder; a name stays as it is."""
    path = Path(base).expanduser()
    return str(path.resolve()) if base != EMBEDDED and path.exists() else base


def _working(out: Path) -> Path:
    return out.with_name(out.name + layout.PARTIAL)
