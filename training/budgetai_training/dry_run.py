"""`budgetai-train --dry-run`: what would be learned, as a table and as a file to edit."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.command import flags, print_json
from budgetai_core.context.languages import is_known
from budgetai_core.options import Seconds
from budgetai_training.corpus import annotations
from budgetai_training.corpus.load import read
from budgetai_training.corpus.records import TRAIN, Corpus, CorpusRow
from budgetai_training.incremental import changed_files, fixed_split
from budgetai_training.options import DOCSTRING, FULL, TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.samples.docstring_samples import Pairs, pairs_of

# Tokenizers of code models make about this many characters a token of code.
CHARACTERS_PER_TOKEN = 3.4
# Measured in tokens a second, in bf16 on two CPU cores.
SPEEDS = {EMBEDDED: 300, "qwen2.5-coder-0.5b": 140}
_MAX_REASONS = 12
_MAX_NAMES = 20


def show(options: TrainOptions) -> int:
    """Print the table, or with --json the summary, and write corpus.jsonl."""
    with Reporter(quiet=options.json).reading() as tick:
        corpus = changed_files(read(options, tick, fixed_split(options)), options)
    file = options.corpus or layout.repository_folder(options.repo) / "corpus.jsonl"
    pairs = pairs_of(corpus) if options.task == DOCSTRING else None
    kept = _write_rows(corpus, file, own=options.corpus is None)
    known = _known_before(options, corpus)
    if options.json:
        print_json(summary(corpus) | _docstrings(pairs) | known | {"corpus": str(file)})
        return 0
    console = Console(highlight=False)
    for table in (_languages(corpus), _reasons(corpus), _secrets(corpus), _losses(known)):
        if table.row_count:
            console.print(table)
    for line in _lines(corpus, options, file, kept, pairs):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def summary(corpus: Corpus) -> dict[str, Any]:
    """Return the corpus in numbers, for scripts."""
    characters = sum(len(file.text) for file in corpus.train)
    return {
        "repository": corpus.name,
        "train": [corpus.name_of(file) for file in corpus.train],
        "held_out": list(corpus.held_out_names),
        "holdout": corpus.holdout,
        "left_out": {d.path: d.reason for d in corpus.decisions if d.reason},
        "characters": characters,
        "lines": sum(file.text.count("\n") for file in corpus.train),
        "tokens": _tokens(characters),
        "secrets": corpus.secrets,
    }


def _known_before(options: TrainOptions, corpus: Corpus) -> dict[str, Any]:
    """Return what the base says to the repository untuned, in nats per token; nothing unless it is
    asked for: a base has to be loaded."""
    if options.evaluate != FULL or options.task == DOCSTRING:
        return {}
    # Not at the top: torch takes seconds.
    from budgetai_training.evaluation.base_loss import losses_of_base

    languages, general = losses_of_base(options, corpus, Reporter(quiet=options.json))
    losses = {name: loss.mean for name, loss in sorted(languages.items())}
    return {"untuned": {"base": options.base, "languages": losses, "python library": general.mean}}


def _losses(known: dict[str, Any]) -> Table:
    """Return the losses of the untuned base, the highest first."""
    untuned = known.get("untuned", {})
    title = f"{untuned.get('base')} untuned: the higher, the more there is to gain"
    table = Table("language", title=title, title_justify="left")
    table.add_column("nats a token", justify="right")
    losses = untuned.get("languages", {})
    for name in sorted(losses, key=losses.__getitem__, reverse=True):
        table.add_row(name, f"{losses[name]:.3f}")
    general = untuned.get("python library")
    if general is not None:
        table.add_section()
        table.add_row("to compare: Python's own library", f"{general:.3f}")
    return table


def _docstrings(pairs: Pairs | None) -> dict[str, Any]:
    if pairs is None:
        return {}
    counts = {"train": len(pairs.train), "held_out": len(pairs.held_out)}
    return {"docstrings": counts | {"left_out": dict(pairs.left_out)}}


def _write_rows(corpus: Corpus, file: Path, *, own: bool) -> Path | None:
    """Write the rows. Where an earlier file of ours has been edited since, it stays beside."""
    mark = file.with_name("corpus.sha256")
    before = file.read_bytes() if own and file.exists() else None
    edited = before is not None and not _is(before, mark)
    annotations.write(corpus.rows, file)
    after = file.read_bytes()
    if own:
        mark.write_text(hashlib.sha256(after).hexdigest(), encoding="ascii")
    if before is None or not edited or before == after:
        return None
    kept = file.with_name("corpus.previous.jsonl")
    kept.write_bytes(before)
    return kept


def _is(content: bytes, mark: Path) -> bool:
    """Return whether the content is what the mark was made of."""
    return mark.exists() and mark.read_bytes() == hashlib.sha256(content).hexdigest().encode()


def _tokens(characters: float) -> int:
    return round(characters / CHARACTERS_PER_TOKEN)


def _languages(corpus: Corpus) -> Table:
    table = Table("language", title=f"{corpus.name}: what would be learned", title_justify="left")
    for name in ("files", "lines", "tokens, about", "held-out files"):
        table.add_column(name, justify="right")
    rows = [row for row in corpus.rows if not row.reason]
    for language in sorted({row.language for row in rows}):
        table.add_row(language, *_counts([row for row in rows if row.language == language]))
    table.add_section()
    table.add_row("all", *_counts(rows))
    return table


def _counts(rows: Iterable[CorpusRow]) -> list[str]:
    rows = list(rows)
    train = [row for row in rows if row.part == TRAIN]
    tokens = _tokens(sum(row.characters for row in train))
    numbers = (len(train), sum(row.lines for row in train), tokens, len(rows) - len(train))
    return [f"{number:,}" for number in numbers]


def _reasons(corpus: Corpus) -> Table:
    table = Table("left out because", title_justify="left")
    table.add_column("files", justify="right")
    counted = Counter(corpus.reasons).most_common()
    for reason, number in counted[:_MAX_REASONS]:
        table.add_row(reason, f"{number:,}")
    if rest := sum(number for _, number in counted[_MAX_REASONS:]):
        table.add_row("other reasons", f"{rest:,}")
    return table


def _secrets(corpus: Corpus) -> Table:
    table = Table("secrets replaced", title_justify="left")
    table.add_column("number", justify="right")
    for kind, number in corpus.secrets.items():
        table.add_row(kind, f"{number:,}")
    return table


def _lines(
    corpus: Corpus, options: TrainOptions, file: Path, kept: Path | None, pairs: Pairs | None
) -> list[str]:
    names = corpus.held_out_names
    held = ", ".join(names[:_MAX_NAMES]) or "nothing: there is too little to split"
    held += ", …" if len(names) > _MAX_NAMES else ""
    lines = [f"held out ({len(names)}): {held}"]
    lines += (
        f"{name}: nobody knows this language; --language ext=NAME gives it a name"
        for name in sorted({row.language for row in corpus.rows if not row.reason})
        if not is_known(name)
    )
    if corpus.holdout:
        lines.append(f"evaluated on what they hold {corpus.holdout.replace(':', ' ')}")
    if pairs:
        lines.append(pairs.description)
    if options.continue_from:
        lines.append(
            f"shown of them ({len(corpus.train)}): what has changed since {options.continue_from}, "
            "and a share of the others"
        )
    lines += [
        _duration(_characters(corpus, pairs), options),
        f"every file with its reason, to edit: {file}",
    ]
    if kept:
        lines.append(f"the file of before: {kept}")
    then = flags(replace(options, dry_run=False, corpus=file))
    return [*lines, f"then: {shlex.join(['budgetai-train', *then])}"]


def _characters(corpus: Corpus, pairs: Pairs | None) -> float:
    """Return about how many characters an epoch shows."""
    if pairs is None:
        return sum(len(file.text) * file.weight for file in corpus.train)
    return sum(pair.characters * pair.file.weight for pair in pairs.train)


def _duration(characters: float, options: TrainOptions) -> str:
    """Describe one epoch at the speed that was measured with a base; of others nothing is known."""
    tokens = _tokens(characters)
    speed = SPEEDS.get(options.base)
    if speed is None:
        return f"one pass: about {tokens:,} tokens; the speed of this base is not known"
    return (
        f"one pass: about {tokens:,} tokens, {Seconds(max(1, tokens / speed))} at {speed} tokens/s"
        f" (measured with {options.base} on two CPU cores)"
    )
