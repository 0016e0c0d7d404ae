"""Head to head with codefinetuner on a language that bases hardly know: OSCAT, Structured Text.

    git clone https://github.com/cuolm/codefinetuner
    git clone https://github.com/PLC-lang/oscat
    python tests/benchmarks/structured_text.py --peer codefinetuner --library oscat --work FOLDER
    budgetai-train --repo FOLDER/oscat --budget 45m …    # and budgetai-convert
    python tests/benchmarks/structured_text.py --peer codefinetuner --library oscat \
        --work FOLDER --model BASE.gguf TUNED.gguf

The peer publishes 205 holes in 53 blocks of the library that it did not learn, and what its
Qwen2.5-Coder-3B says there, base and tuned. The first call writes a repository of the library
without these blocks. The second lets models fill the same holes through the server's own code, with
that repository as context, and counts as the peer does: exact but for white space, the first two
lines, the similarity of characters. Nothing of either repository is kept here. Answers stand in
FOLDER as soon as they are there: the same call goes on after an interruption.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from markdown_table import table
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from budgetai_core import repository
from budgetai_core.artifacts.base_models import resolve
from budgetai_core.command import parse, print_json, run
from budgetai_core.context.block_words import measured_by_name
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language
from budgetai_core.context.prompt import Snapshot
from budgetai_core.errors import OptionError
from budgetai_core.evaluation.metrics import Score, by_cluster, signed
from budgetai_core.options import option
from budgetai_server.completion.generation import Generation, StopPolicy, generate
from budgetai_server.completion.render import CompletionPolicy, render
from budgetai_server.inference.local import LocalEngine

_RUN = Path("docs/example-runs/st-example/outputs/evaluate")
_HOLES = _RUN / "datasets/benchmark_dataset.jsonl"
_ANSWERS = _RUN / "results/evaluation_results.jsonl"
_SOURCE = "oscat.st"
# Where the blocks stand that are completed, beside what is known of the library.
_NEW = "blocks.st"
# As many tokens as the peer's own run may write.
_STOP = StopPolicy(128)
_LINES = 2
_COMMENT = re.compile(r"\(\*.*?\*\)|//[^\n]*", re.DOTALL)
_BLOCK = re.compile(
    r"^[ \t]*(?:(FUNCTION_BLOCK|FUNCTION|PROGRAM|TYPE)\b.*?^[ \t]*END_\1"
    r"|VAR_GLOBAL\b.*?^[ \t]*END_VAR)\b[^\n]*\n?",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class HeadToHeadOptions:
    """Where the two repositories lie, and which models are asked."""

    peer: Path = option(Path("codefinetuner"), "a checkout of the peer", unit="folder")
    library: Path = option(Path("oscat"), "a checkout of the library", unit="folder")
    work: Path = option(
        Path("structured-text"), "folder for the repository to learn, and answers", unit="folder"
    )
    model: tuple[str, ...] = option((), "bases that are GGUF files, or such files; none: prepare")
    holes: int = option(0, "ask the first so many holes alone; 0 asks all")
    threads: int = option(0, "threads; 0 takes the server's default")
    json: bool = option(False, "print the result as JSON, and no progress")


@dataclass(frozen=True)
class Hole:
    """A block of the library without one of its parts, as the peer cut it."""

    before: str
    middle: str
    after: str

    @property
    def block(self) -> str:
        return self.before + self.middle + self.after


@dataclass(frozen=True)
class Answers:
    """What one model says to each hole, in their order; `name` is that of a row."""

    name: str
    texts: tuple[str, ...]

    def counted(self, holes: Sequence[Hole]) -> dict[str, list[float]]:
        """Return by measure what each hole counts, as the peer counts."""
        pairs = [(h.middle, t) for h, t in zip(holes, self.texts, strict=True)]
        return {
            "exact": [float(_squeezed(middle) == _squeezed(text)) for middle, text in pairs],
            "two lines": [float(_same_lines(middle, text)) for middle, text in pairs],
            "similarity": [Levenshtein.normalized_similarity(m, t) for m, t in pairs],
        }


def main() -> int:
    return run("structured_text", _main)


def _main() -> int:
    options = parse("structured_text", __doc__.partition("\n")[0], HeadToHeadOptions)
    holes = _holes(options.peer)
    root = options.work / "oscat"
    if not (root / ".git").exists():
        _write_repository(root, _read(options.library / _SOURCE), holes)
        print(f"{root} holds the library without the blocks of the holes", file=sys.stderr)
    if not options.model:
        return 0
    count = options.holes or len(holes)
    rows = [_first(answers, count) for answers in _peers_answers(options.peer)]
    for model in options.model:
        rows += _asked(model, root, holes[:count], options)
    _print(options, rows, holes[:count])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}", "Name its checkout") from None


def _holes(peer: Path) -> list[Hole]:
    rows = map(json.loads, _read(peer / _HOLES).splitlines())
    return [Hole(row["prefix"], row["middle"], row["suffix"]) for row in rows]


def _peers_answers(peer: Path) -> list[Answers]:
    rows = [json.loads(line) for line in _read(peer / _ANSWERS).splitlines()]
    return [
        Answers("codefinetuner, 3B, base", tuple(r["base_generated_middle"] for r in rows)),
        Answers("codefinetuner, 3B, tuned", tuple(r["lora_generated_middle"] for r in rows)),
    ]


def _first(answers: Answers, count: int) -> Answers:
    return Answers(answers.name, answers.texts[:count])


def _write_repository(root: Path, text: str, holes: Sequence[Hole]) -> None:
    """Write the library without the blocks that holes stand in, as a repository of its own. Raises
    OptionError where a block is not found: it would be learned."""
    unseen = {_code(hole.block) for hole in holes}
    kept, end = [], 0
    missing = set(unseen)
    for block in _BLOCK.finditer(text):
        if (code := _code(block[0])) in unseen:
            kept.append(text[end : block.start()])
            end = block.end()
            missing.discard(code)
    if missing:
        raise OptionError(
            f"{len(missing)} of {len(unseen)} blocks are not in {_SOURCE}",
            "Take the library as the peer had it in 2026",
        )
    root.mkdir(parents=True, exist_ok=True)
    (root / _SOURCE).write_text("".join(kept) + text[end:], encoding="utf-8")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-q", "-m", "OSCAT"],
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)


def _code(text: str) -> str:
    """Return a block without its comments and white space: the peer cut its holes so."""
    return "".join(_COMMENT.sub("", text).split()).lower()


@dataclass(frozen=True)
class _Workspace:
    """The repository as a server has it when the blocks are written."""

    root: Path

    @cached_property
    def files(self) -> list[repository.SourceFile]:
        return repository.sources(repository.open_repository(self.root))[0]

    @cached_property
    def languages(self) -> Mapping[str, Language]:
        return measured_by_name((file.language, file.text) for file in self.files)

    def language(self, file: repository.SourceFile) -> Language | None:
        return file.language and self.languages.get(file.language.name, file.language)

    def index(self) -> Index:
        index = Index()
        for file in self.files:
            index.update(file.path, file.text, language=self.language(file))
        return index

    def snapshot(self, hole: Hole) -> Snapshot:
        declared = self.language(next(file for file in self.files if file.path == _SOURCE))
        text = hole.before + hole.after
        return Snapshot(self.root.name, _NEW, text, len(hole.before), declared=declared)


def _asked(
    name: str, root: Path, holes: Sequence[Hole], options: HeadToHeadOptions
) -> Iterator[Answers]:
    """Yield what a model writes until it ends, as the peer's does, and what of it is shown."""
    base = resolve(name)
    if base.path is None or base.path.is_dir():
        raise OptionError(f"--model {name} is not a GGUF file", "Name one")
    kept = options.work / f"answers-{base.record().digest[:16]}.jsonl"
    known = _known(kept)
    missing = [number for number in range(len(holes)) if number not in known]
    if missing:
        workspace = _Workspace(root)
        index, engine = workspace.index(), LocalEngine(base.path, threads=options.threads)
        console = Console(file=sys.stderr, quiet=options.json)
        with (
            kept.open("a", encoding="utf-8") as lines,
            Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console) as bar,
        ):
            for number in bar.track(missing, description=base.path.name):
                known[number] = _answer(engine, workspace.snapshot(holes[number]), index)
                # In front, too: the line before may be half of one.
                lines.write("\n" + json.dumps([number, *known[number]]))
                lines.flush()
        engine.close()
    for row, label in enumerate(("", ", as shown")):
        yield Answers(base.path.stem + label, tuple(known[n][row] for n in range(len(holes))))


def _known(kept: Path) -> dict[int, tuple[str, str]]:
    known: dict[int, tuple[str, str]] = {}
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ():
        with suppress(ValueError):
            number, written, shown = json.loads(line)
            known[number] = (written, shown)
    return known


def _answer(engine: LocalEngine, snapshot: Snapshot, index: Index) -> tuple[str, str]:
    """Return all that the model writes, and what the server would show of it first."""
    generation = Generation(snapshot)
    generate(engine, generation, index, _STOP, lambda: False, lambda: False)
    generation.ended = True
    shown = render(generation, snapshot, CompletionPolicy())
    return generation.text, shown.text if shown else ""


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _same_lines(middle: str, text: str) -> bool:
    """Return whether the first two lines are the same but for white space at their ends, or all of
    fewer."""
    expected = [line.rstrip() for line in middle.splitlines()[:_LINES]]
    return bool(expected) and expected == [
        line.rstrip() for line in text.splitlines()[: len(expected)]
    ]


def _print(options: HeadToHeadOptions, rows: Sequence[Answers], holes: Sequence[Hole]) -> None:
    blocks = [_code(hole.block) for hole in holes]
    measured = [(row.name, row.counted(holes)) for row in rows]
    scores = {
        name: {measure: by_cluster(values, blocks) for measure, values in counted.items()}
        for name, counted in measured
    }
    gains = _gains([entry for entry in measured if "codefinetuner" not in entry[0]], blocks)
    if options.json:
        plain = {n: {m: asdict(score) for m, score in of.items()} for n, of in scores.items()}
        changes = {n: {m: asdict(score) for m, score in of.items()} for n, of in gains.items()}
        print_json({"holes": len(holes), "scores": plain, "against the first": changes})
        return
    head = ("", *next(iter(scores.values())))
    print(f"{len(holes)} holes in {len(set(blocks))} blocks; intervals resample blocks\n")
    print("\n".join(table(head, ((name, *of.values()) for name, of in scores.items()))))
    if gains:
        print("\nAgainst the first model, hole by hole:\n")
        rows_of = ((name, *map(signed, of.values())) for name, of in gains.items())
        print("\n".join(table(head, rows_of)))


def _gains(
    measured: Sequence[tuple[str, Mapping[str, Sequence[float]]]], blocks: Sequence[str]
) -> dict[str, dict[str, Score]]:
    """Return of each model but the first what it adds to the first, written or shown alike."""
    gains: dict[str, dict[str, Score]] = {}
    for place, (name, counted) in enumerate(measured[2:]):
        first = measured[place % 2][1]
        gains[name] = {
            measure: by_cluster(
                [b - a for a, b in zip(first[measure], values, strict=True)], blocks
            )
            for measure, values in counted.items()
        }
    return gains


if __name__ == "__main__":
    sys.exit(main())
