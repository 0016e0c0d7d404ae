"""What is shown of true statements, and of broken ones, on any folder of sources.

    python tests/benchmarks/shown.py --sources FOLDER FOLDER --statements 1000 --save now.jsonl
    PYTHONPATH=OTHER/server python tests/benchmarks/shown.py … --against now.jsonl

Statements are drawn from the files of each language and taken out of their file. The answer is the
statement with the text behind it, as a good model would go on. Alone on slow machines, its first
line has to be shown as it is; where more may be shown, its beginning, line by line. Then the first
line is broken: a token is exchanged, or left out, or the answer ends in the middle of it. Of
answers that break the file as they are, it counts those that are shown and leave the file with more
errors than it had; a line alone is judged with the rest of its statement behind it.

The draw depends on the sources and the seed alone, so two checkouts are judged on the same answers.
With --model, a GGUF file answers at the same places, and the same is counted of what it says; what
it said is kept with --replies, for another checkout.
"""

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import tree_sitter
from markdown_table import table

from budgetai_core.command import parse, print_json, run
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.errors import OptionError
from budgetai_core.evaluation.metrics import wilson
from budgetai_core.options import option
from budgetai_server.completion.postprocess import CursorContext, postprocess
from budgetai_server.inference.local import LocalEngine

MAX_FILE_CHARACTERS = 60_000
MAX_STATEMENT_CHARACTERS = 1_500
MAX_PER_FILE = 60
# What a model says before it is stopped, and what of a file decides what is shown.
ANSWER_CHARACTERS, ANSWER_TOKENS, AROUND_CHARACTERS = 600, 96, 4_000
_TOKEN = re.compile(r"\w+|[^\w\s]")
_BREAKS = ("exchanged", "left out", "ends early")


@dataclass(frozen=True, kw_only=True)
class ShownOptions:
    """Where statements come from, and how many."""

    sources: tuple[Path, ...] = option((), "folders of source files", unit="folder")
    statements: int = option(1000, "statements for each language, where there are so many")
    languages: str = option("", "languages to judge, with commas; without it, all")
    seed: int = option(0, "seed of the draw")
    model: Path | None = option(None, "a GGUF file that answers, too", unit="file")
    answers: int = option(100, "answers of the model for each language")
    replies: Path | None = option(None, "keep what the model says here", unit="file")
    save: Path | None = option(None, "write what was shown here, a line an answer", unit="file")
    against: Path | None = option(None, "compare with what was saved there", unit="file")
    failures: int = option(0, "failures to print for each language")
    json: bool = option(False, "print the result as JSON")

    def __post_init__(self) -> None:
        if not self.sources:
            raise OptionError("--sources names no folder", "Give it one or more folders of code")


class Statement(NamedTuple):
    """Characters `start` to `end` of a text: whole lines, from the first one's indentation on."""

    path: str
    text: str
    start: int
    end: int

    @property
    def before(self) -> str:
        return self.text[: self.start]

    @property
    def after(self) -> str:
        return self.text[self.end :]

    @property
    def true(self) -> str:
        return self.text[self.start : self.end]

    @property
    def answer(self) -> str:
        return self.text[self.start : self.start + ANSWER_CHARACTERS]


class Answer(NamedTuple):
    """Something to be shown, how it was made, and whether the file breaks with it as it is."""

    statement: Statement
    kind: str
    text: str
    whole: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one answer. `verdict` is right, hidden, changed or longer of a true one;
    right (nothing is broken, or nothing shown) or breaks of the others."""

    key: str
    language: str
    kind: str
    lines: bool
    verdict: str
    shown: str


def main() -> int:
    return run("shown", _main)


def _main() -> int:
    options = parse("shown", "Judge what is shown of true and of broken answers.", ShownOptions)
    outcomes: list[Outcome] = []
    asked = set(filter(None, options.languages.split(",")))
    for language, files in sorted(_files(options.sources).items(), key=lambda pair: pair[0].name):
        if asked and language.name not in asked:
            continue
        rng = random.Random(f"{options.seed} {language.name}")
        statements = _drawn(language, files, options.statements, rng)
        judged = [
            outcome for one in _answers(statements, rng) for outcome in _judged(language, one)
        ]
        if options.model is not None:
            said = _said(options, statements[: options.answers])
            judged += [outcome for one in said for outcome in _judged(language, one)]
        _print_failures(judged, options.failures)
        outcomes += judged
    if options.save:
        lines = (json.dumps(asdict(outcome), ensure_ascii=False) for outcome in outcomes)
        options.save.write_text("\n".join([*lines, ""]), "utf-8", "surrogatepass")
    before = _saved(options.against) if options.against else {}
    rows = list(_rows(outcomes, before))
    if options.json:
        print_json(rows)
    else:
        print("\n".join(table(list(rows[0]) if rows else [], [list(row.values()) for row in rows])))
    return 0


def _files(folders: Iterable[Path]) -> dict[Language, list[tuple[str, str]]]:
    """Path and text of the files that have a grammar, by language; the same text once."""
    files: defaultdict[Language, dict[str, str]] = defaultdict(dict)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            language = language_of(path.name)
            if language is None or not path.is_file() or path.stat().st_size > MAX_FILE_CHARACTERS:
                continue
            text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
            files[language].setdefault(text, path.relative_to(folder).as_posix())
    return {key: [(path, text) for text, path in texts.items()] for key, texts in files.items()}


def _drawn(
    language: Language, files: Sequence[tuple[str, str]], count: int, rng: random.Random
) -> list[Statement]:
    """Statements of files in turn, so that a few long files do not decide."""
    shuffled = rng.sample(list(files), len(files))
    drawn: list[Statement] = []
    for path, text in shuffled:
        inside = list(_statements(path, text, language))
        drawn += rng.sample(inside, min(len(inside), MAX_PER_FILE))
        if len(drawn) >= 4 * count:
            break
    return sorted(rng.sample(drawn, min(count, len(drawn))))


def _statements(path: str, text: str, language: Language) -> Iterator[Statement]:
    """The widest nodes that begin a line and end one; no comments, no mere closers."""
    parsed = ParsedDocument.of(text, language)
    if parsed.root is None:
        return
    ends: dict[int, int] = {}
    pending = list(parsed.root.children)
    while pending:
        node = pending.pop()
        pending += node.children
        if _is_statement(node):
            start, end = parsed.character(node.start_byte), parsed.character(node.end_byte)
            start += len(text[start:end]) - len(text[start:end].lstrip())
            end = start + len(text[start:end].rstrip())
            ends[start] = max(end, ends.get(start, 0))
    for start, end in sorted(ends.items()):
        line_end = text.find("\n", end)
        line_end = line_end if line_end >= 0 else len(text)
        alone = not text[text.rfind("\n", 0, start) + 1 : start].strip()
        whole = not text[end:line_end].strip(" \t;,")
        if alone and whole and 5 < line_end - start <= MAX_STATEMENT_CHARACTERS:
            yield Statement(path, text, start, line_end)


def _is_statement(node: tree_sitter.Node) -> bool:
    return node.is_named and not node.is_error and "comment" not in node.type


def _answers(statements: Iterable[Statement], rng: random.Random) -> Iterator[Answer]:
    for number, statement in enumerate(statements):
        yield Answer(statement, "true", statement.answer)
        kind = _BREAKS[number % len(_BREAKS)]
        broken = _broken(statement, kind, rng)
        if broken:
            yield broken


def _broken(statement: Statement, kind: str, rng: random.Random) -> Answer | None:
    """The statement with a fault in its first line; None where there is no room for one."""
    line = statement.true.partition("\n")[0]
    tokens = list(_TOKEN.finditer(line))
    if len(tokens) < 3:
        return None
    token = rng.choice(tokens[1:])
    rest = statement.answer[token.end() :]
    if kind == "exchanged":
        other = rng.choice(_TOKEN.findall(statement.text))
        return Answer(statement, kind, line[: token.start()] + other + rest)
    if kind == "left out":
        return Answer(statement, kind, line[: token.start()] + rest)
    return Answer(statement, kind, line[: token.start()].rstrip(), whole=True)


def _said(options: ShownOptions, statements: Sequence[Statement]) -> Iterator[Answer]:
    """What the model says at the same places, with the file alone; asked once, and kept."""
    assert options.model is not None
    kept = options.replies
    known = {}
    if kept and kept.exists():
        known = dict(json.loads(line) for line in kept.read_text("utf-8").splitlines())
    engine = None
    for statement in statements:
        key = sha256(repr(statement).encode("utf-8", "replace")).hexdigest()[:24]
        if key not in known:
            engine = engine or LocalEngine(options.model)
            known[key] = _ask(engine, statement)
            if kept:
                with kept.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps([key, known[key]]) + "\n")
        text, whole = known[key]
        yield Answer(statement, "model", text, whole)
    if engine:
        engine.close()


def _ask(engine: LocalEngine, statement: Statement) -> tuple[str, bool]:
    text = statement.before + statement.after
    snapshot = Snapshot("r", statement.path, text, statement.start)
    prompt = build(snapshot, None, engine.limits)
    pieces = [piece.text for piece in engine.generate(prompt, ANSWER_TOKENS, lambda: False)]
    return "".join(pieces), len(pieces) < ANSWER_TOKENS


def _judged(language: Language, answer: Answer) -> Iterator[Outcome]:
    statement = answer.statement
    context = CursorContext(
        statement.before[-AROUND_CHARACTERS:], statement.after[:AROUND_CHARACTERS], language
    )
    for lines in (True, False):
        result = postprocess(context, answer.text, whole=answer.whole, block=not lines)
        result = result or postprocess(context, answer.text, whole=True, block=not lines)
        shown, replaces = (result.text, result.replaces) if result else ("", 0)
        if answer.kind == "true":
            verdict = _verdict(statement, shown, lines=lines)
        else:
            verdict = _breaks(language, answer, shown, replaces, lines=lines)
        if verdict:
            parts = (statement.path, statement.start, answer.text, answer.kind, lines)
            key = sha256(repr(parts).encode()).hexdigest()[:16]
            yield Outcome(key, language.name, answer.kind, lines, verdict, shown)


def _verdict(statement: Statement, shown: str, *, lines: bool) -> str:
    first = statement.true.partition("\n")[0].rstrip()
    if not shown:
        return "hidden"
    if shown == first:
        return "right"
    true = statement.true.rstrip()
    if not lines and statement.answer.startswith(shown):
        if len(shown) > len(true):
            return "longer"
        return "right" if true[len(shown) :].lstrip(" \t")[:1] in ("", "\n") else "changed"
    return "changed"


def _breaks(
    language: Language, answer: Answer, shown: str, replaces: int, *, lines: bool
) -> str | None:
    """Whether showing it leaves more errors; None for answers that break nothing as they are."""
    statement = answer.statement
    bare = _errors(language, statement.text, statement.before + statement.after)
    true = _errors(language, statement.text, statement.text)
    rest = statement.true[len(statement.true.partition("\n")[0]) :]
    if answer.kind == "model":
        if not shown:
            return "right"
        worst = max(bare, true)
        return _breaks_of_model(language, answer, shown, replaces, worst, lines=lines)
    first = answer.text.partition("\n")[0]
    if _errors(language, statement.text, statement.before + first + rest + statement.after) <= true:
        return None
    if not shown:
        return "right"
    if lines and not answer.whole:
        after, allowed = rest + statement.after, true
    else:
        after, allowed = statement.after[replaces:], bare
    return (
        "breaks"
        if _errors(language, statement.text, statement.before + shown + after) > allowed
        else "right"
    )


def _breaks_of_model(
    language: Language, answer: Answer, shown: str, replaces: int, allowed: int, *, lines: bool
) -> str:
    """A line alone may be the beginning of what the model goes on to say."""
    statement = answer.statement
    after = statement.after[replaces:]
    tries = [shown]
    if lines and answer.text.startswith(shown):
        ends = [match.start() for match in re.finditer(r"\n|\Z", answer.text)]
        tries += [answer.text[:end] for end in ends if end > len(shown)]
    fewest = min(
        _errors(language, statement.text, statement.before + text + after) for text in tries
    )
    return "breaks" if fewest > allowed else "right"


@lru_cache(maxsize=16)
def _errors(language: Language, file: str, text: str) -> int:
    """How many nodes of a text that is nearly that of a file are errors, or missing: the judge
    counts for itself."""
    root = _parsed(language, file).edited(text).root
    waiting, count = [root] if root is not None else [], 0
    while waiting:
        node = waiting.pop()
        count += node.is_error or node.is_missing
        if node.has_error:
            waiting += node.children
    return count


@lru_cache(maxsize=4)
def _parsed(language: Language, file: str) -> ParsedDocument:
    return ParsedDocument.of(file, language)


def _saved(path: Path) -> dict[str, Outcome]:
    lines = path.read_text("utf-8", "surrogatepass").splitlines()
    outcomes = (Outcome(**json.loads(line)) for line in lines)
    return {outcome.key: outcome for outcome in outcomes}


def _rows(outcomes: Sequence[Outcome], before: dict[str, Outcome]) -> Iterator[dict[str, str]]:
    """A row a language and a last one for all; with `before`, each share follows an arrow."""
    if before:
        outcomes = [outcome for outcome in outcomes if outcome.key in before]
    names = list(dict.fromkeys(outcome.language for outcome in outcomes))
    for name in (*names, "all") if len(names) > 1 else names:
        row = {"language": name}
        mine = [outcome for outcome in outcomes if name in ("all", outcome.language)]
        for lines in (True, False):
            alone = "lines alone" if lines else "blocks"
            true = [one for one in mine if one.kind == "true" and one.lines == lines]
            row[f"true, {alone}"] = str(len(true))
            for verdict in ("hidden", "changed") if lines else ("hidden", "changed", "longer"):
                row[f"{alone}: {verdict}"] = _share(true, before, verdict)
        for kind, wanted in (("broken", set(_BREAKS)), ("model's", {"model"})):
            for lines in (True, False):
                alone = "lines alone" if lines else "blocks"
                some = [one for one in mine if one.kind in wanted and one.lines == lines]
                if some:
                    row[f"{kind}, {alone}"] = str(len(some))
                    row[f"{kind}, {alone}: shown and breaks"] = _share(some, before, "breaks")
        yield row


def _share(some: Sequence[Outcome], before: dict[str, Outcome], verdict: str) -> str:
    now = wilson(sum(one.verdict == verdict for one in some), len(some)).mean
    if not before:
        return f"{now:.1%}"
    then = wilson(sum(before[one.key].verdict == verdict for one in some), len(some)).mean
    return f"{then:.1%} → {now:.1%}"


def _print_failures(judged: Sequence[Outcome], count: int) -> None:
    counts: Counter[tuple[bool, str, str]] = Counter()
    for outcome in judged:
        label = outcome.lines, outcome.kind, outcome.verdict
        counts[label] += 1
        if outcome.verdict != "right" and counts[label] <= count:
            print(f"--- {outcome.language} {label}\n{outcome.shown}")


if __name__ == "__main__":
    raise SystemExit(main())
