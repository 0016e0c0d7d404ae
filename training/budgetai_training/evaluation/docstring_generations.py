"""A few held-out docstrings written by the base and by the tuned model, to be read side by side.

Nothing leads the models here, as a server would: what they say is what they have learned.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from budgetai_core.docstrings.body import body_text, ended
from budgetai_core.docstrings.lint import lint
from budgetai_core.evaluation.rouge import rouge_l
from budgetai_training import process_group
from budgetai_training.chunked_loss import arithmetic
from budgetai_training.evaluation.comparisons import DocstringComparison, GeneratedDocstring
from budgetai_training.evaluation.line_generations import written
from budgetai_training.samples.docstring_samples import Pair
from budgetai_training.samples.encoding import Encoder
from budgetai_training.samples.sample import Sample

_MAX_TOKENS = 120


def side_by_side(
    model: Any,
    tokenizer: Any,
    encoder: Encoder,
    pairs: Sequence[tuple[Pair, Sample]],
    seconds: float,
    stop: Callable[[], bool],
) -> tuple[DocstringComparison, ...]:
    """Write the docstrings of pairs with and without the adapter until `seconds` are over. One that
    time has cut short is left out."""
    model.eval()
    end = time.monotonic() + seconds
    drafts: list[DocstringComparison] = []
    for pair, shown in pairs:
        with arithmetic(model.device, model.get_output_embeddings().weight.dtype):
            with model.disable_adapter():
                base = _written(model, tokenizer, encoder, pair, shown, end)
            tuned = _written(model, tokenizer, encoder, pair, shown, end)
        if process_group.broadcast(stop() or time.monotonic() > end):
            break
        drafts.append(_beside(pair, base, tuned))
    return tuple(drafts)


def _written(
    model: Any, tokenizer: Any, encoder: Encoder, pair: Pair, shown: Sample, end: float
) -> str:
    """Return the inside of a docstring, as the model goes on behind the opening mark."""
    if process_group.broadcast(time.monotonic() > end):
        return ""

    def done(text: str) -> bool:
        return process_group.broadcast(time.monotonic() > end) or ended(pair.insertion, text) < len(
            text
        )

    text = written(model, tokenizer, encoder, shown, _MAX_TOKENS, done)
    return text[: ended(pair.insertion, text)]


def _beside(pair: Pair, base: str, tuned: str) -> DocstringComparison:
    return DocstringComparison(
        path=pair.file.path,
        line=pair.line,
        name=".".join(filter(None, (pair.documentable.owner, pair.documentable.name))),
        style=pair.style,
        expected=body_text(pair.insertion, pair.answer),
        base=_draft(pair, base),
        tuned=_draft(pair, tuned),
    )


def _draft(pair: Pair, inside: str) -> GeneratedDocstring:
    language = pair.file.language
    assert language is not None
    text = body_text(pair.insertion, inside)
    named = lint(pair.documentable, text, language)
    return GeneratedDocstring(
        text=text,
        rouge=rouge_l(text, body_text(pair.insertion, pair.answer)),
        structure=named.score,
        sound=named.sound,
    )
