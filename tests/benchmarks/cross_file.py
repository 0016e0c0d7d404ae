"""What context is worth: lines that need another file, completed with and without seeing it.

    python tests/benchmarks/cross_file.py --repo mcp-1.6.0 smolagents-1.20.0 tanstack-ai-0.58.0 \
        --model FILE.gguf --holes 100 --work FOLDER

Places are cut where a name of another file decides (see places.py). Each is completed from the
text before the cursor, from all of the file, with each source of retrieval added alone, and with
all of them. Replies stand in FOLDER/replies.jsonl as soon as they are there: the same call goes on
after an interruption, and another trimming or table costs no model. With --no-ask no model is
needed: it says how often each source shows the name.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import trimmings
from conditions import FILE, limits_of, named
from outcomes import Outcome, Row, plain, rows, shown_table, tables
from replies import BLOCK, LINE, UNREPAIRED, Replies
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from sample import Question, Sample
from trimmings import Effect

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BaseError, OptionError
from budgetai_core.options import option

_PLAIN = "unrepaired"


@dataclass(frozen=True, kw_only=True)
class CrossFileOptions:
    """Which repositories, which model, what the prompts may show."""

    repo: tuple[Path, ...] = option((), "repositories the places are cut from", unit="folder")
    model: str = option(EMBEDDED, "a base that is a GGUF file")
    ask: bool = option(True, "ask the model; without it, only what prompts show is judged")
    holes: int = option(100, "places for each repository, where it has so many")
    per_file: int = option(8, "most places in one file")
    seed: int = option(0, "seed of the choice of places")
    since: str = option(
        "",
        "cut places in what was written since a commit, and count other files' new lines as edited"
        " a moment ago; without it, anywhere, and nothing counts as edited",
    )
    conditions: str = option("", "conditions to compare, with commas; without it, all")
    limits: str = option("", "BEFORE,AFTER,CHUNKS in characters; without it, the server's")
    threads: int = option(0, "threads; 0 takes the server's default")
    work: Path | None = option(None, "folder for the replies; without it, a new one", unit="folder")
    json: bool = option(False, "print the result as JSON, and no progress")

    def __post_init__(self) -> None:
        if not self.repo:
            raise OptionError("--repo names no folder", "Give it one or more repositories")
        if min(self.holes, self.per_file) < 1:
            raise OptionError("--holes and --per-file below 1 ask for nothing", "Use 1 or more")


def main() -> int:
    return run("cross_file", _main)


def _main() -> int:
    options = parse("cross_file", "Complete lines that need another file.", CrossFileOptions)
    compared = named(options.conditions, limits_of(options.limits))
    samples = [Sample.of(folder, options) for folder in options.repo]
    asked = list(_mixed([list(sample.questions(compared)) for sample in samples]))
    if not options.ask:
        _say(options, rows([Outcome(**question.known()) for question in asked], FILE), [])
        return 0
    replies = _replies(asked, options)
    outcomes = [_judged(question, replies) for question in asked]
    _say(options, rows(outcomes, FILE), trimmings.summary(_effects(asked, replies), _PLAIN))
    replies.close()
    return 0


def _mixed(asked: Sequence[Sequence[Question]]) -> Iterable[Question]:
    """In turn from each repository, so that what is known midway says something of all."""
    turns = chain.from_iterable(zip_longest(*asked))
    return (question for question in turns if question is not None)


def _replies(asked: Sequence[Question], options: CrossFileOptions) -> Replies:
    """With a reply to each question; those that are missing are asked for."""
    base = resolve(options.model)
    if base.path is None or base.path.is_dir():
        raise BaseError(f"{options.model} is not a GGUF file", "Name a file")
    work = options.work or Path(tempfile.mkdtemp(prefix="cross-file-"))
    work.mkdir(parents=True, exist_ok=True)
    print(f"working in {work}", file=sys.stderr)
    digest = base.record().digest
    replies = Replies(work / "replies.jsonl", base.path, digest, threads=options.threads)
    new = {replies.key(question.prompt): question for question in asked}
    missing = [question for key, question in new.items() if key not in replies]
    console = Console(file=sys.stderr, quiet=options.json)
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console) as bar:
        for question in bar.track(missing, description=f"{len(missing)} of {len(new)} prompts"):
            replies.to(question.prompt, question.snapshot)
    return replies


def _judged(question: Question, replies: Replies) -> Outcome:
    reply = replies.to(question.prompt, question.snapshot)
    text = reply.shown(question.snapshot, LINE).text
    said = {"said": question.place.named_in(text), "tokens": reply.tokens}
    return Outcome.judged(text, question.place.span.expected, **said, **question.known())


def _effects(asked: Sequence[Question], replies: Replies) -> dict[str, Sequence[Effect]]:
    """What the answers, blocks among them, do to their files with each way of trimming."""
    different = {replies.key(question.prompt): question for question in asked}.values()
    found: dict[str, Sequence[Effect]] = {}
    for name, rules in ((_PLAIN, UNREPAIRED), ("repaired", BLOCK)):
        found[name] = [
            Effect.of(
                (q.repository, q.place.span.path), q.place.span, reply.shown(q.snapshot, rules)
            )
            for q in different
            for reply in (replies.to(q.prompt, q.snapshot),)
        ]
    return found


def _say(options: CrossFileOptions, found: list[Row], broken: list[dict[str, Any]]) -> None:
    if options.json:
        print_json({"options": asdict(options), "rows": plain(found), "breaks": broken})
        return
    print(tables(found) if options.ask else shown_table(found))
    if broken:
        print("\n### Syntax\n\n" + trimmings.tables(broken))


if __name__ == "__main__":
    sys.exit(main())
