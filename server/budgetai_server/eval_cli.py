"""`budgetai-eval`: the command line around `evaluate`."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from budgetai_server.command import parse, print_json, run

if TYPE_CHECKING:
    from budgetai_server.eval_options import EvalOptions
    from budgetai_server.evaluate import Exam, Judged

PROGRAM = "budgetai-eval"
ABOUT = "Complete places in held-out files, through the server's own code, and score the answers."


def main(argv: list[str] | None = None) -> int:
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    from budgetai_server.eval_options import EvalOptions

    options = parse(PROGRAM, ABOUT, EvalOptions, argv)
    return _usage(options) if options.usage else _score(options)


def _usage(options: "EvalOptions") -> int:
    from budgetai_server.artefacts import home
    from budgetai_server.ledger import read
    from budgetai_server.usage_report import by_language, table

    rows = read(home.usage(options.repo))
    if options.json:
        print_json({name: dataclasses.asdict(one) for name, one in by_language(rows).items()})
    else:
        print(table(rows) if rows else f"Nothing has been shown in {options.repo.resolve()} yet.")
    return 0


def _score(options: "EvalOptions") -> int:
    from budgetai_server.evaluate import exam, models_of

    models = models_of(options)
    questions = exam(options, models)
    judged = [_judge(model, questions, options) for model in models]
    if options.json:
        print_json({"holes": len(questions.holes), "held_out": questions.note} | _plain(judged))
    else:
        print(_table(judged, questions))
    return 0


def _judge(model: Any, questions: "Exam", options: "EvalOptions") -> "Judged":
    from rich.console import Console
    from rich.progress import Progress

    from budgetai_server.evaluate import judge
    from budgetai_server.inference.local import LocalEngine

    engine = LocalEngine(model)
    console = Console(file=sys.stderr, quiet=options.json)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(model.name, total=len(questions.holes))
        done = judge(engine, questions, lambda n: bar.update(task, completed=n))
    engine.close()
    return done


def _plain(judged: "list[Judged]") -> dict[str, Any]:
    rows = [dataclasses.asdict(one) for one in judged]
    return {"models": [{k: v for k, v in row.items() if k != "answers"} for row in rows]}


def _table(judged: "list[Judged]", questions: "Exam") -> str:
    width = max(len(one.model.name) for one in judged)
    head = f"{'model':{width}}  {'exact match':22}  {'edit similarity':22}  p50 ms  p95 ms"
    rows = [
        f"{one.model.name:{width}}  {one.scores.exact_match!s:22}  "
        f"{one.scores.edit_similarity!s:22}  {one.latency_p50:6.0f}  {one.latency_p95:6.0f}"
        for one in judged
    ]
    return "\n".join([f"{len(questions.holes)} holes; {questions.note}", head, *rows])


if __name__ == "__main__":
    sys.exit(main())
