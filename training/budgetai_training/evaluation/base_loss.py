"""How well a base knows what a repository is written in, before anything is learned.

Loss on held-out code falls with tuning, and falls most where it is high: bases have read much
Python, and hardly any Structured Text.
"""

from itertools import zip_longest

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.errors import OptionError
from budgetai_core.models import base_weights
from budgetai_training import chunked_loss
from budgetai_training.corpus.records import Corpus
from budgetai_training.evaluation.eval_set import GENERAL, line_eval_set
from budgetai_training.evaluation.held_out_loss import Loss, Question, evaluate, grouped
from budgetai_training.model import load
from budgetai_training.options import TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.samples.encoding import Encoder

# What a look before the run may take, in seconds.
_SECONDS = 60.0


def losses_of_base(
    options: TrainOptions, corpus: Corpus, reporter: Reporter
) -> tuple[dict[str, Loss], Loss]:
    """Return the losses of the untuned base on held-out windows by language, and on the beginnings
    of modules of Python's own library, which every base knows.

    Raises BaseError for a base that cannot be loaded, OptionError where nothing is held out.
    """
    base = resolve(options.base)
    with reporter.busy(f"reading the base {base.name}"):
        base = base_weights.fetched(base)
        loaded = load(base, base.record().digest, options.load_in)
    encoder = Encoder(loaded.tokenizer)
    questions = line_eval_set(corpus, corpus.indexes(), encoder, options.seed).report
    # Of spans, a line each, little is to be learned here. What time is left for is both.
    windows = [question for question in questions if _kind(question) == "language"]
    general = [question for question in questions if question.groups == (GENERAL,)]
    wanted = [q for pair in zip_longest(windows, general) for q in pair if q]
    if not windows:
        raise OptionError(
            "nothing is held out that a base could be evaluated on", "Leave --evaluate full out"
        )
    with (
        reporter.counting(f"loss of {base.name}", len(wanted)) as tick,
        chunked_loss.headless(loaded.model) as output,
    ):
        losses = evaluate(loaded.model, output, wanted, _SECONDS, tick)
    groups = grouped(wanted, losses)
    languages = {name: loss for (kind, name), loss in groups.items() if kind == "language"}
    return languages, groups.get(GENERAL, Loss())


def _kind(question: Question) -> str:
    return question.groups[-1][0]
