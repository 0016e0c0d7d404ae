"""`budgetai-eval`: the command line around `evaluation/lines`."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from budgetai_core.command import parse, print_json, run

if TYPE_CHECKING:
    from budgetai_core.evaluation.metrics import Change
    from budgetai_server.evaluation.generated_docstrings import DocstringEvaluation
    from budgetai_server.evaluation.lines import LineEvalSet, LineEvaluation
    from budgetai_server.evaluation.options import EvalOptions
    from budgetai_server.evaluation.typed import TypedChange, TypedEvaluation, TypedSet
    from budgetai_server.inference.local import LocalEngine

T = TypeVar("T")

PROGRAM = "budgetai-eval"
_PLACES = {
    "chunk": "in a shown chunk",
    "prompt": "elsewhere in the prompt",
    "tree": "elsewhere in the tree",
    "nowhere": "nowhere",
}
ABOUT = "Complete or document held-out code through the server's own code, and score the answers."


def main(argv: list[str] | None = None) -> int:
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    from budgetai_server.evaluation.options import EDITS, EvalOptions

    options = parse(PROGRAM, ABOUT, EvalOptions, argv)
    if options.usage:
        return _usage(options)
    if options.task == EDITS:
        return _edits(options)
    if options.commits:
        return _typed(options)
    return _docstrings(options) if options.task == "docstring" else _score(options)


def _usage(options: "EvalOptions") -> int:
    from budgetai_core.artifacts import layout
    from budgetai_server.workspace.usage.store import read, read_edits
    from budgetai_server.workspace.usage.usage_report import (
        by_language,
        edits_line,
        edits_summary,
        table,
    )

    rows, edits = read(layout.usage(options.repo)), read_edits(layout.usage(options.repo))
    if options.json:
        languages = {name: dataclasses.asdict(part) for name, part in by_language(rows).items()}
        print_json(languages | {"next_edits": dataclasses.asdict(edits_summary(edits))})
    elif rows or edits:
        print("\n".join([table(rows), *([edits_line(edits)] if edits else [])]))
    else:
        print(f"Nothing has been shown in {options.repo.resolve()} yet.")
    return 0


def _score(options: "EvalOptions") -> int:
    from budgetai_server.evaluation.lines import eval_set, evaluate, models_of

    models = models_of(options)
    questions = eval_set(options, models)
    count = len(questions.spans)
    evaluations = [
        with_bar(engine.name, count, options, partial(evaluate, engine, questions))
        for engine in _engines(models, options)
    ]
    if options.json:
        result = {"holes": count, "held_out": questions.note} | _plain(evaluations)
        print_json(
            result
            | {"changes": [dataclasses.asdict(difference) for difference in _changes(evaluations)]}
        )
    else:
        print(_table(evaluations, questions))
    return 0


def _typed(options: "EvalOptions") -> int:
    from budgetai_server.evaluation import typed
    from budgetai_server.evaluation.candidates import served
    from budgetai_server.evaluation.lines import models_of

    models = models_of(options)
    lines = with_bar(
        "reading commits", options.holes, options, partial(typed.typed_set, options, models)
    )
    if not lines.count:
        print(
            f"No commit {options.commits} has a line to type; lines are cut instead.",
            file=sys.stderr,
        )
        return _score(options)
    evaluations: list[TypedEvaluation] = []
    for model in models:
        with served(model, options.task) as engines:
            for engine, policy in engines:
                work = partial(typed.evaluate, engine, policy, lines, options.patience)
                evaluations.append(with_bar(engine.name, lines.count, options, work))
    changes = [typed.change(evaluations[0], other) for other in evaluations[1:]]
    if options.json:
        print_json(
            {
                "lines": lines.count,
                "commits": len(lines.commits),
                "left_out": lines.left_out,
                "warnings": lines.warnings,
                "models": [typed.as_json(model) for model in evaluations],
                "changes": [dataclasses.asdict(change) for change in changes],
            }
        )
    else:
        print(typed_table(evaluations, changes, lines))
    return 0


def _edits(options: "EvalOptions") -> int:
    from budgetai_server.evaluation.edits import evaluate_edits

    evaluation = with_bar("replaying commits", 1, options, partial(evaluate_edits, options))
    if options.json:
        print_json(evaluation.as_json())
    else:
        print(evaluation)
    return 0


def _docstrings(options: "EvalOptions") -> int:
    from budgetai_server.evaluation.generated_docstrings import docstring_eval_set, evaluate
    from budgetai_server.evaluation.lines import models_of

    models = models_of(options)
    eval_set = docstring_eval_set(options, models)
    count = len(eval_set.questions)
    evaluations = [
        with_bar(engine.name, count, options, partial(evaluate, engine, eval_set, led=led))
        for engine in _engines(models, options)
        for led in ((True, False) if options.free else (True,))
    ]
    if options.json:
        print_json({"docstrings": count, "held_out": eval_set.note} | _plain(evaluations))
    else:
        print(_docstring_table(evaluations, f"{count} docstrings; {eval_set.note}"))
    return 0


def _engines(models: Iterable[Path], options: "EvalOptions") -> "Iterator[LocalEngine]":
    """Yield the engines one at a time: several models may not fit into memory together."""
    from budgetai_server.evaluation.candidates import candidates

    for model in models:
        with candidates(model, options.task) as engines:
            yield from engines


def with_bar(
    name: str, count: int, options: "EvalOptions", work: Callable[[Callable[[float], None]], T]
) -> T:
    """Do work that counts what it has done, beside a bar of `count` on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=sys.stderr, quiet=options.json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(name, total=count)
        return work(lambda done: bar.update(task, completed=done))


def _plain(evaluations: "Sequence[LineEvaluation | DocstringEvaluation]") -> dict[str, Any]:
    rows = [dataclasses.asdict(model) for model in evaluations]
    return {"models": [{k: v for k, v in row.items() if k != "answers"} for row in rows]}


def _table(evaluations: "list[LineEvaluation]", questions: "LineEvalSet") -> str:
    width = max(len(model.name) for model in evaluations)
    head = f"{'model':{width}}  {'exact match':22}  {'edit similarity':22}  p50 ms  p95 ms"
    rows = [
        f"{model.name:{width}}  {model.scores.exact_match!s:22}  "
        f"{model.scores.edit_similarity!s:22}  {model.latency_p50:6.0f}  {model.latency_p95:6.0f}"
        for model in evaluations
    ]
    lines = [f"{len(questions.spans)} lines; {questions.note}", head, *rows]
    for model, difference in zip(evaluations[1:], _changes(evaluations), strict=True):
        lines.append(f"{model.name} against {evaluations[0].name}: {difference}")
    return "\n".join(lines)


def typed_table(
    evaluations: "list[TypedEvaluation]", changes: "list[TypedChange]", lines: "TypedSet"
) -> str:
    """Return what is printed of models that were evaluated as typed."""
    from budgetai_core.evaluation.metrics import signed

    width = max(len(model.name) for model in evaluations)
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(lines.left_out.items()))
    rows = [
        f"{lines.count} lines of {len(lines.commits)} commits, as they were typed",
        *([f"left out of these commits: {left_out}"] if left_out else []),
        *(f"warning: {warning}" for warning in lines.warnings),
        f"{'model':{width}}  {'exact lines':22}  {'edit similarity':22}  {'keystrokes saved':24}"
        "  shown a line  of these taken  greedy exact",
    ]
    for model in evaluations:
        for label, scores in ((model.name, model.scores), ("  in new files", model.new_files)):
            if scores.count:
                rows.append(
                    f"{label:{width}}  {scores.exact_match!s:22}  {scores.edit_similarity!s:22}"
                    f"  {scores.keystrokes_saved!s:24}  {scores.shown_per_line:12.1f}"
                    f"  {scores.taken_share:14.0%}  {scores.raw_exact_match.mean:12.3f}"
                )
    for model in evaluations:
        places = ", ".join(f"{count} {_PLACES[place]}" for place, count in model.misses.items())
        rows.append(f"where the missed lines of {model.name} stood: {places}")
    rows += [
        f"{model.name} against {evaluations[0].name}: {change.better} lines became right, "
        f"{change.worse} wrong; exact lines {signed(change.exact_match)}, edit similarity "
        f"{signed(change.edit_similarity)}, keystrokes saved {signed(change.keystrokes_saved)}"
        for model, change in zip(evaluations[1:], changes, strict=True)
    ]
    return "\n".join(rows)


def _changes(evaluations: "Sequence[LineEvaluation]") -> "list[Change]":
    """Return the changes from the first model to each of the others, in their order."""
    from budgetai_core.evaluation.metrics import change

    return [change(evaluations[0].scores, model.scores) for model in evaluations[1:]]


def _docstring_table(evaluations: "list[DocstringEvaluation]", title: str) -> str:
    width = max(len(model.name) for model in evaluations)
    head = f"{'model':{width}}  {'ROUGE-L':22}  {'structure':22}  {'sound':22}  silent  p50 s"
    rows = [
        f"{model.name:{width}}  {model.rouge!s:22}  {model.structure!s:22}  {model.sound!s:22}"
        f"  {model.silent:6}  {model.seconds:5.1f}"
        for model in evaluations
    ]
    return "\n".join([title, head, *rows])


if __name__ == "__main__":
    sys.exit(main())
