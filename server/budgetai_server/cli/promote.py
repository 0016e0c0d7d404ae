"""`budgetai promote`: a candidate takes the place of the served model, if it is not worse.

What a conversion makes is a candidate, and this is its last step; it can be asked for again.
"""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from budgetai_core.command import INTERRUPTED, NOT_SERVED, parse, print_json, run
from budgetai_core.errors import RepositoryError
from budgetai_core.options import option

if TYPE_CHECKING:
    from budgetai_core.artifacts.base_models import Base
    from budgetai_core.artifacts.manifest import ModelManifest
    from budgetai_core.artifacts.promotion import Promotion
    from budgetai_server.evaluation.gate import Comparison

PROGRAM = "budgetai promote"
ABOUT = (
    "Serve a model that was converted, if it is not worse than the one that is served now on code "
    "that neither has learned."
)
_CONVERTER = "budgetai_convert"
_ANYWAY = "to serve it all the same: budgetai promote --anyway"


@dataclass(frozen=True, kw_only=True)
class PromoteOptions:
    """Which candidate, and of which repository."""

    candidate: Path | None = option(
        None,
        "a model that was converted and is not served; without it, the newest one of the"
        " repository",
        positional=True,
    )
    repo: Path | None = option(
        None, "repository whose code it is judged by; without it, the current folder", unit="folder"
    )
    anyway: bool = option(False, "serve it without judging it")
    json: bool = option(False, "print the result as JSON, and no progress")


@dataclass
class Rival:
    """What a candidate is compared with: its name in a sentence, whether it was tuned, and the
    model that is `served`. Where none is, `make` finds or makes the file of an untuned base, which
    may take a while; `made` is that file."""

    name: str
    tuned: bool
    served: Path | None
    make: Callable[[], Path]
    made: Path | None = None

    def path(self) -> Path:
        """Return its file or folder."""
        if self.served:
            return self.served
        if self.made is None:
            self.made = self.make()
        return self.made


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0, or 3 where what was served before stays."""
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    options = parse(PROGRAM, ABOUT, PromoteOptions, argv)
    from budgetai_core.artifacts.promotion import SERVED

    promotion = promote(options)
    if options.json:
        print_json(asdict(promotion))
    else:
        print(f"model      {promotion.model}")
        label = {SERVED: "served", "waits": "waits"}.get(promotion.outcome, "not served")
        print(f"{label:<10} {promotion.reason}")
    return 0 if promotion.outcome == SERVED else NOT_SERVED


def promote(options: PromoteOptions) -> "Promotion":
    """Judge a candidate, and serve it or not; note what came of it. Raises ModelError where there
    is no candidate, or one that cannot be loaded, and RepositoryError."""
    # Not above: --help has no use for a model.
    from budgetai_core.artifacts import promotion
    from budgetai_core.artifacts.manifest import ModelManifest

    if options.repo is not None and not options.repo.is_dir():
        raise RepositoryError(f"no such repository: {options.repo}", "Give a folder")
    candidate = (options.candidate or _newest(options.repo or Path.cwd())).absolute()
    folder = promotion.folder_of(candidate)
    root = _root(options, folder)
    manifest = ModelManifest.find(candidate)
    with _rival(root, folder, manifest) as rival:
        if options.anyway:
            ruling = Ruling(promotion.SERVED, "it was not judged, as you asked")
        else:
            ruling = _judged(root, candidate, manifest, rival, options)
        serves = model = candidate
        if ruling.outcome == promotion.SERVED:
            serves = model = promotion.serve(candidate)
        elif rival and rival.served:
            serves = rival.served
        elif rival and rival.made:
            # Who has trained has something to complete with, if only the base.
            serves = promotion.serve_base(folder, rival.made, rival.made.stem)
    promotion.keep(folder, candidate)
    made = promotion.Promotion(
        outcome=ruling.outcome,
        reason=f"{candidate.stem}: {ruling.reason}",
        model=str(model),
        serves=str(serves),
        adapter=manifest.adapter if manifest else "",
        against=rival.name if rival else "",
        judged=ruling.comparison.questions.how if ruling.comparison else "",
        lines=ruling.comparison.questions.count if ruling.comparison else 0,
        measures=_measures(ruling.comparison),
    )
    made.write(folder)
    return made


@dataclass(frozen=True)
class Ruling:
    """What becomes of a candidate, the reason, and what was compared for it."""

    outcome: str
    reason: str
    comparison: "Comparison | None" = None


def _judged(
    root: Path | None,
    candidate: Path,
    manifest: "ModelManifest | None",
    rival: Rival | None,
    options: PromoteOptions,
) -> Ruling:
    from budgetai_core.artifacts.promotion import REFUSED, SERVED, WAITS
    from budgetai_core.evaluation.not_worse import MIN_LINES, MIN_LINES_OF_BASE
    from budgetai_server.evaluation import gate

    if manifest and manifest.task != "completion":
        return Ruling(SERVED, f"it was not judged: lines tell nothing of a {manifest.task} model")
    if rival is None:
        return Ruling(SERVED, "it was not judged: its base is not here to compare it with")
    if root is None:
        told = "the repository that it was made for is not known here: name it with --repo"
        return Ruling(WAITS, f"{told}; {_ANYWAY}") if rival.tuned else Ruling(SERVED, told)
    asked = gate.questions_for(root, candidate, rival.served)
    if not gate.enough(asked, for_base=not rival.tuned):
        few = f"there are {asked.count} lines that it has not learned"
        if not rival.tuned:
            return Ruling(SERVED, f"it was not judged: {few}, which tell nothing")
        return Ruling(
            WAITS,
            f"{few}, nor {rival.name}, which stays until there are {MIN_LINES}; {_ANYWAY}",
        )
    other = rival.path()
    with _bar(quiet=options.json) as tick:
        least = MIN_LINES if rival.tuned else MIN_LINES_OF_BASE
        comparison = gate.compare(asked, other, candidate, tick, least=least)
    asked = comparison.questions
    if comparison.worse:
        told = "; ".join(map(str, comparison.worse))
        reason = f"on {asked} it is worse than {rival.name}, which stays: {told}"
        return Ruling(REFUSED, reason, comparison)
    told = "; ".join(map(str, comparison.differences))
    return Ruling(SERVED, f"on {asked} it is not worse than {rival.name}: {told}", comparison)


def _measures(comparison: "Comparison | None") -> dict[str, tuple[float, ...]]:
    if comparison is None:
        return {}
    measures = {
        apart.measure: (apart.before, apart.after, *astuple(apart.change))
        for apart in comparison.differences
    }
    names = comparison.names
    return measures | ({"stale names": (float(names.before), float(names.after))} if names else {})


def _newest(repo: Path) -> Path:
    from budgetai_core.artifacts import layout
    from budgetai_core.errors import ModelError

    for folder in layout.folders_of(repo):
        if candidates := layout.candidates_in(folder):
            return candidates[-1]
    raise ModelError(f"there is no candidate for {repo.resolve()}", "Run budgetai convert first")


def _root(options: PromoteOptions, folder: Path) -> Path | None:
    """Return the repository that is named, or the current folder if the candidate is of it."""
    from budgetai_core.artifacts import layout

    if options.repo is not None:
        return options.repo.resolve()
    here = Path.cwd()
    return here if folder in layout.folders_of(here) else None


@contextmanager
def _rival(
    root: Path | None, folder: Path, manifest: "ModelManifest | None"
) -> "Iterator[Rival | None]":
    """Yield what is served now, else the base of the candidate; None where that is not here."""
    from budgetai_core.artifacts import layout, promotion
    from budgetai_server.evaluation.candidates import manifest_of

    own = layout.models_in(folder)
    newest = (layout.newest_model(root) if root else None) or (own[-1] if own else None)
    if newest is not None:
        known = manifest_of(newest)
        tuned = newest.is_dir() or bool(known and known.adapter)
        yield Rival(
            f"{'' if tuned else 'the untuned '}{newest.stem}", tuned, newest, lambda: newest
        )
        return
    base = _base_of(manifest) if manifest else None
    if manifest is None or base is None:
        yield None
        return
    with TemporaryDirectory(prefix=promotion.SCRATCH, dir=folder / layout.CANDIDATES) as scratch:
        make = partial(_base_file, base, manifest, Path(scratch))
        yield Rival(f"the untuned base {base.name}", False, None, make)


def _base_of(manifest: "ModelManifest") -> "Base | None":
    from budgetai_core.artifacts import base_models
    from budgetai_core.errors import BaseError

    try:
        return base_models.located(manifest.base)
    except BaseError:
        return None


def _base_file(base: "Base", manifest: "ModelManifest", scratch: Path) -> Path:
    """Return a base as a GGUF file, made in `scratch` of the model's own type where it is not one.
    Raises ModelError where that fails, and KeyboardInterrupt where it is ended: else the candidate
    would be served without being judged."""
    from budgetai_core.errors import ModelError
    from budgetai_core.next_command import run_next

    if base.kind == "gguf" and base.path:
        return base.path
    made = scratch / f"{base.name.rpartition('/')[2]}-{manifest.quant}.gguf"
    source = str(base.path or manifest.base.location)
    code, _ = run_next(
        _CONVERTER, [source, f"--out={made}", f"--quant={_plain(manifest.quant)}"], as_json=True
    )
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise ModelError(
            f"{base.name} could not be converted to compare the model with it",
            "Run budgetai promote again, or with --anyway to serve it all the same",
        )
    return made


def _plain(quant: str) -> str:
    """Return a type that a conversion can be asked for: of a mixture, what is as good."""
    return quant if re.fullmatch(r"[A-Z0-9_]+", quant) else "Q8_0"


@contextmanager
def _interruptible() -> "Iterator[Callable[[], None]]":
    """Give what raises KeyboardInterrupt once Ctrl-C was pressed: between two lines, for in the
    middle of one llama.cpp calls back, where no exception may pass. The second one ends at once."""
    pressed = False

    def note(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(*, quiet: bool) -> "Iterator[Callable[[str, int, int], None]]":
    """Give what draws, on standard error, how far each model is."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    # Where nobody watches, rich would leave an empty line.
    console = Console(file=sys.stderr, quiet=quiet or not sys.stderr.isatty())
    with Progress(console=console, transient=True) as bar, _interruptible() as check:

        def tick(name: str, done: int, count: int) -> None:
            check()
            if name not in tasks:
                tasks[name] = bar.add_task(f"asking {name}", total=count)
            bar.update(tasks[name], completed=done)

        yield tick


if __name__ == "__main__":
    sys.exit(main())
