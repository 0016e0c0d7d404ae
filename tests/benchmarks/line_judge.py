"""Lines that an adapter brings back by torch, many at a time: for many trainings on a GPU.

The places and their prompts are those of budgetai-eval with the whole context, whatever the speed
of the machine; the answer is the greedy one, healed as the server does. Nothing is trimmed, and no
weight is quantised: numbers of the server come from budgetai-eval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import DynamicCache

from budgetai_core import repository
from budgetai_core.artifacts.base_models import resolve
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import build
from budgetai_core.evaluation.metrics import first_line
from budgetai_core.evaluation.metrics import score as scored
from budgetai_core.evaluation.spans import MaskedSpan, mask_spans
from budgetai_core.repository.history import added_since
from budgetai_core.repository.history import resolve as commit_of
from budgetai_training.chunked_loss import arithmetic
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.model import load
from budgetai_training.samples import healing
from budgetai_training.samples.encoding import Encoder
from budgetai_training.samples.sample import Sample

# Rows that are answered at once; their prompts are of like length.
_BATCH = 32
_LONGEST = 40


@dataclass(frozen=True)
class Asked:
    """A place as token ids; the answer must begin with the bytes `taken` back from them."""

    ids: tuple[int, ...]
    taken: bytes
    expected: str


def judge(
    folder: Path | None, base: str, load_in: str, repo: Path, since: str, count: int, seed: int
) -> dict[str, Any]:
    """Exact match and edit similarity over at most `count` lines that are new since a revision,
    with the adapter in `folder`, or of the base alone; `hits` says which were exact, in order."""
    found = resolve(base)
    loaded = load(found, found.record().digest, load_in)
    model = PeftModel.from_pretrained(loaded.model, folder) if folder else loaded.model
    model.eval().config.use_cache = True
    root, spans, index = _places(repo, since, count, seed)
    encoder = Encoder(loaded.tokenizer)
    asked = [asked_at(span, root.name, index, encoder) for span in spans]
    answers = answered(model, encoder, asked)
    total = scored(answers, [one.expected for one in asked])
    return {
        "count": total.count,
        "exact": vars(total.exact_match),
        "similarity": vars(total.edit_similarity),
        "hits": "".join(
            str(int(first_line(a) == first_line(one.expected)))
            for a, one in zip(answers, asked, strict=True)
        ),
    }


def _places(repo: Path, since: str, count: int, seed: int) -> tuple[Path, list[MaskedSpan], Index]:
    root = repository.open_repository(repo)
    files, _ = repository.sources(root)
    ranges = added_since(root, commit_of(root, since), files)
    texts = [(file.path, file.text) for file in files]
    spans = mask_spans(
        [(path, text) for path, text in texts if path in ranges], count, seed, ranges
    )
    return root, spans, Index(texts)


def asked_at(span: MaskedSpan, name: str, index: Index, encoder: Encoder) -> Asked:
    prompt = build(span.snapshot(name), index)
    shown = Sample(CorpusFile(name, span.path, ""), prompt, span.kind, 0, False)
    kept, taken = encoder.vocabulary.take_back(encoder.tokenize(prompt.before))
    return Asked((*encoder.head(shown), *kept), taken, span.expected)


@torch.no_grad()
def answered(model: Any, encoder: Encoder, asked: Sequence[Asked]) -> list[str]:
    """The greedy answers, in the order of the places."""
    order = sorted(range(len(asked)), key=lambda place: len(asked[place].ids))
    found = [""] * len(asked)
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        with arithmetic(model.device, model.get_output_embeddings().weight.dtype):
            texts = _batch(model, encoder, [asked[place] for place in places])
        for place, text in zip(places, texts, strict=True):
            found[place] = text
    return found


def _batch(model: Any, encoder: Encoder, rows: Sequence[Asked]) -> list[str]:
    """Rows padded on the left, one token each at a time."""
    words = encoder.vocabulary
    longest = max(len(row.ids) for row in rows)
    spare = [longest - len(row.ids) for row in rows]
    pads = [[encoder.pad] * n + list(row.ids) for n, row in zip(spare, rows, strict=True)]
    ids = torch.tensor(pads, device=model.device)  # (rows, length)
    mask = torch.tensor([[0] * n + [1] * (longest - n) for n in spare], device=model.device)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    cache, said = DynamicCache(), [[] for _ in rows]
    open_rows = set(range(len(rows)))
    for _ in range(_LONGEST):
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache,
            logits_to_keep=1,
        ).logits[:, -1, : len(words)]  # fmt: skip
        for row in open_rows:
            rest = healing.pending(words, said[row], rows[row].taken)
            _hold(logits[row], words.continuing(rest).tolist() if rest else [])
        ids = logits.argmax(dim=1, keepdim=True)
        for row in list(open_rows):
            said[row].append(int(ids[row]))
            text = healing.answer_text(words, said[row], rows[row].taken)
            if said[row][-1] == encoder.markers.end or "\n" in text.lstrip("\n"):
                open_rows.discard(row)
        if not open_rows:
            break
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        places = places[:, -1:] + 1
    return [healing.answer_text(words, ids, row.taken) for ids, row in zip(said, rows, strict=True)]


def _hold(logits: torch.Tensor, allowed: list[int]) -> None:
    """Leave these tokens alone, in place; all of them where none are named."""
    if allowed:
        kept = logits[allowed]
        logits.fill_(float("-inf"))
        logits[allowed] = kept
