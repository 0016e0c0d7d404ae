"""Docstrings of a base against those of its adapter, place by place.

    python tests/benchmarks/docstrings.py --task docstring --repo REPOSITORY --model BUNDLE [--free]

Writes each docstring of the held-out files with the base alone and with each docstring adapter of
the bundle, as `budgetai-eval --task docstring` does, and gives ratios of ROUGE-L and structure on
the same places, with intervals over files.
"""

import sys

from intervals import ratio

from budgetai_core.command import parse, print_json, run
from budgetai_core.docstrings.lint import lint
from budgetai_core.evaluation.rouge import rouge_l
from budgetai_server.evaluation.candidates import candidates
from budgetai_server.evaluation.generated_docstrings import (
    DocstringEvalSet,
    DocstringEvaluation,
    docstring_eval_set,
    evaluate,
)
from budgetai_server.evaluation.lines import models_of
from budgetai_server.evaluation.options import EvalOptions

Values = dict[str, list[float]]


def main() -> int:
    return run("docstrings", _main)


def _main() -> int:
    options = parse("docstrings", "Docstrings of base and adapter, in pairs.", EvalOptions)
    (model,) = models_of(options)
    exam = docstring_eval_set(options, [model])
    with candidates(model, "docstring") as engines:
        evaluations = [evaluate(engine, exam, led=not options.free) for engine in engines]
    first, *others = (_values(one, exam) for one in evaluations)
    files = [asked.path for asked in exam.questions]
    print_json(
        {
            one.name: {name: vars(ratio(values[name], first[name], files)) for name in first}
            for one, values in zip(evaluations[1:], others, strict=True)
        }
        | {"docstrings": len(files), "files": len(set(files)), "base": _means(first)}
    )
    return 0


def _values(evaluation: DocstringEvaluation, exam: DocstringEvalSet) -> Values:
    pairs = list(zip(exam.questions, evaluation.answers, strict=True))
    named = [lint(asked.documentable, text, asked.language) for asked, text in pairs]
    return {
        "rouge": [rouge_l(text, asked.expected) for asked, text in pairs],
        "structure": [one.score for one in named],
    }


def _means(values: Values) -> dict[str, float]:
    return {name: sum(found) / len(found) for name, found in values.items()}


if __name__ == "__main__":
    sys.exit(main())
