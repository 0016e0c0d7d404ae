"""How good a model's docstrings are on a repository: those of held-out files, written anew through
the server's own code, and compared with what stood there."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.docstrings.body import body_text
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.edit import insertion_point
from budgetai_core.docstrings.lint import lint
from budgetai_core.docstrings.style import DocstringStyle
from budgetai_core.docstrings.worth_learning import worth_learning
from budgetai_core.errors import RepositoryError
from budgetai_core.evaluation.metrics import Score, mean, percentile, wilson
from budgetai_core.evaluation.rouge import rouge_l
from budgetai_core.repository.added_lines import Range
from budgetai_server.docstrings.generate import DocstringRequest, EmptyAnswerError, write
from budgetai_server.docstrings.neighbor_style import neighbor_style
from budgetai_server.evaluation.candidates import named
from budgetai_server.evaluation.lines import Sources, sources_of
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.inference.local import LocalEngine


@dataclass(frozen=True)
class DocstringQuestion:
    """A definition in a text from which its docstring was taken, and what that said."""

    path: str
    text: str
    language: Language
    documentable: Documentable
    style: DocstringStyle
    expected: str


@dataclass(frozen=True)
class DocstringEvalSet:
    """The docstrings a repository is evaluated on. `note` says where the held-out list comes
    from."""

    name: str
    questions: tuple[DocstringQuestion, ...]
    note: str


@dataclass(frozen=True)
class DocstringEvaluation:
    """Scores of the docstrings of one model. `rouge` is ROUGE-L, `structure` F1 over what is to be
    named, `sound` the share that names all of it and nothing else. `led` by a form, as the server
    does it. `silent` counts those of which the model said nothing; `seconds` is their median."""

    model: Path
    adapter: str
    led: bool
    rouge: Score
    structure: Score
    sound: Score
    silent: int
    seconds: float
    answers: tuple[str, ...]

    @property
    def name(self) -> str:
        return named(self.model, self.adapter) + ("" if self.led else ", free")


def docstring_eval_set(options: EvalOptions, models: Sequence[Path]) -> DocstringEvalSet:
    """Take docstrings out of the files that no compared model has been trained on. Raises
    RepositoryError where there are none."""
    sources = sources_of(options, models)
    questions = list(_questions(sources))
    if not questions:
        raise RepositoryError(
            f"the held-out files of {options.repo} have no docstring to compare with",
            "Train on a repository with more of them",
        )
    drawn = random.Random(options.seed).sample(questions, min(options.holes, len(questions)))
    return DocstringEvalSet(sources.name, tuple(drawn), sources.note)


def _questions(sources: Sources) -> Iterator[DocstringQuestion]:
    index = Index(sources.texts)
    for path, text in sources.texts:
        language = language_of(path)
        if language and path in sources.ranges:
            yield from _of_file(path, text, language, sources.ranges, index)


def _of_file(
    path: str, text: str, language: Language, ranges: Mapping[str, Sequence[Range]], index: Index
) -> Iterator[DocstringQuestion]:
    for documentable in documentables(ParsedDocument.of(text, language)):
        docstring = documentable.docstring
        if docstring is None or worth_learning(documentable, language):
            continue
        if not any(low <= docstring.start and docstring.end <= high for low, high in ranges[path]):
            continue
        parsed = ParsedDocument.of(_without(text, docstring.start, docstring.end), language)
        bare = DocstringRequest.of(documentable).find(parsed)
        # Another string may have come to stand where the docstring stood.
        if bare and bare.docstring is None:
            style = neighbor_style(parsed, path, index)
            yield DocstringQuestion(path, parsed.text, language, bare, style, docstring.text)


def _without(text: str, start: int, end: int) -> str:
    """Return a text without some whole lines."""
    line = text.rfind("\n", 0, start) + 1
    return text[:line] + text[end:].removeprefix("\n")


def evaluate(
    engine: LocalEngine,
    eval_set: DocstringEvalSet,
    tick: Callable[[int], None] = lambda done: None,
    *,
    led: bool = True,
) -> DocstringEvaluation:
    """Write every docstring in turn."""
    answers, seconds = [], []
    for number, question in enumerate(eval_set.questions, 1):
        began = time.perf_counter()
        answers.append(_written(engine, eval_set, question, led=led))
        seconds.append(time.perf_counter() - began)
        tick(number)
    pairs = list(zip(eval_set.questions, answers, strict=True))
    shapes = [lint(question.documentable, text, question.language) for question, text in pairs]
    return DocstringEvaluation(
        model=engine.path,
        adapter=engine.adapter,
        led=led,
        rouge=mean([rouge_l(text, question.expected) for question, text in pairs]),
        structure=mean([shape.score for shape in shapes]),
        sound=wilson(sum(shape.sound for shape in shapes), len(shapes)),
        silent=answers.count(""),
        seconds=percentile(seconds, 0.5),
        answers=tuple(answers),
    )


def _written(
    engine: LocalEngine, eval_set: DocstringEvalSet, question: DocstringQuestion, *, led: bool
) -> str:
    """Return what a model says of a definition; empty where it has nothing to say."""
    text, documentable, style = question.text, question.documentable, question.style
    try:
        written = write(
            engine, text, question.path, eval_set.name, documentable, style, free=not led
        )
    except EmptyAnswerError:
        return ""
    return body_text(insertion_point(text, documentable, style), written.inside)
