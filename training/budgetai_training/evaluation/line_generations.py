"""A few held-out lines completed by the base and by the tuned model, to be read side by side."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import StoppingCriteria

from budgetai_core.models.token_healing import Vocabulary
from budgetai_training import fsdp, process_group
from budgetai_training.chunked_loss import arithmetic
from budgetai_training.evaluation.comparisons import LineComparison
from budgetai_training.samples import healing
from budgetai_training.samples.encoding import Encoder
from budgetai_training.samples.sample import Sample

# Asked of the text written so far, after each token.
Enough = Callable[[str], bool]

_MAX_TOKENS = 40
_SHOWN_LINES = 6


class _Done(StoppingCriteria):
    """Stops when what has been written is enough."""

    def __init__(self, vocabulary: Vocabulary, start: int, taken: bytes, enough: Enough) -> None:
        self._vocabulary = vocabulary
        self._start = start
        self._taken = taken
        self._enough = enough

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        ids = input_ids[0, self._start :].tolist()
        done = self._enough(healing.answer_text(self._vocabulary, ids, self._taken))
        return torch.tensor([done], device=input_ids.device)


def _line_over(text: str) -> bool:
    """Return whether a newline follows some text: only the first line is shown."""
    return "\n" in text.lstrip("\n")


def side_by_side(
    model: Any,
    tokenizer: Any,
    encoder: Encoder,
    spans: Sequence[Sample],
    seconds: float,
    stop: Callable[[], bool],
) -> tuple[LineComparison, ...]:
    """Complete masked lines with and without the adapter until `seconds` are over."""
    model.eval()
    began = time.monotonic()
    completions: list[LineComparison] = []
    for span in spans:
        spent = time.monotonic() - began
        # The next one takes about as long as those before it did on average.
        if process_group.broadcast(stop() or spent + spent / max(len(completions), 1) > seconds):
            break
        with arithmetic(model.device, model.get_output_embeddings().weight.dtype):
            with model.disable_adapter():
                base = complete(model, tokenizer, encoder, span)
            tuned = complete(model, tokenizer, encoder, span)
        completions.append(_beside(span, base, tuned))
    return tuple(completions)


def _beside(span: Sample, base: str, tuned: str) -> LineComparison:
    before = span.prompt.before[: len(span.prompt.before) - span.answer]
    answer = span.prompt.before[len(before) :]
    # The window may not begin with the file's first line; its end is found by the answer's place.
    line = span.file.text.count("\n", 0, max(span.file.text.find(before + answer), 0) + len(before))
    shown = "\n".join(before.split("\n")[-_SHOWN_LINES:])
    return LineComparison(
        path=span.file.path, line=line + 1, before=shown, expected=answer.split("\n")[0],
        base=base, tuned=tuned,
    )  # fmt: skip


def complete(model: Any, tokenizer: Any, encoder: Encoder, span: Sample) -> str:
    """Return the first line of the greedy answer at a masked span."""
    text = written(model, tokenizer, encoder, span, _MAX_TOKENS, _line_over)
    return text.split("\n")[0].rstrip()


def _ends(model: Any, encoder: Encoder) -> list[int]:
    """Return what a base ends with by itself, and the marker it has learned to end with here."""
    own = model.generation_config.eos_token_id
    tokens = own if isinstance(own, list) else [own]
    return [token for token in {*tokens, encoder.markers.end} if token is not None]


@torch.no_grad()
def written(
    model: Any, tokenizer: Any, encoder: Encoder, span: Sample, max_tokens: int, enough: Enough
) -> str:
    """Return the greedy answer at a masked span, of at most `max_tokens` tokens; perhaps a little
    more than enough."""
    prompt = span.prompt
    asked = replace(span, prompt=replace(prompt, before=prompt.before[: -span.answer or None]))
    vocabulary = encoder.vocabulary
    kept, taken = vocabulary.take_back(encoder.tokenize(asked.prompt.before))
    ids = encoder.head(asked) + kept
    if not ids:
        return ""
    start = len(ids)
    everything = list(range(len(vocabulary)))

    def allowed(_: int, seen: torch.Tensor) -> list[int]:
        rest = healing.pending(vocabulary, seen[start:].tolist(), taken)
        return vocabulary.continuing(rest).tolist() if rest else everything

    out = model.generate(
        input_ids=torch.tensor([ids], device=model.device),
        attention_mask=torch.ones(1, start, dtype=torch.int64, device=model.device),
        max_new_tokens=max_tokens,
        do_sample=False,
        use_cache=True,
        pad_token_id=encoder.pad,
        eos_token_id=_ends(model, encoder),
        stopping_criteria=[_Done(vocabulary, start, taken, enough)],
        prefix_allowed_tokens_fn=allowed,
        synced_gpus=fsdp.is_sharded(model),
    )
    return healing.answer_text(vocabulary, out[0, start:].tolist(), taken)
