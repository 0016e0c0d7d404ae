"""Samples as token ids: what is shown carries no label, what is learned does."""

from functools import cached_property
from typing import Any

from budgetai_core.context.prompt import Markers, encode, find_markers
from budgetai_core.models.token_healing import Vocabulary
from budgetai_training.samples.healing import vocabulary_of
from budgetai_training.samples.sample import Sample

UNLABELLED = -100

Encoded = dict[str, list[int]]


class Encoder:
    """Turns samples into `input_ids` and `labels` with the base's own tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.markers = markers_of(tokenizer)
        self.pad: int = tokenizer.pad_token_id or 0
        self._beginning = tuple(tokenizer("").input_ids)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What answers are healed by; it takes a moment, and only those who ask need it."""
        return vocabulary_of(self._tokenizer)

    def tokenize(self, text: str) -> list[int]:
        """Return text as text: names of special tokens inside it are not parsed."""
        ids: list[int] = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True
        ).input_ids
        return ids

    def head(self, sample: Sample) -> list[int]:
        """Return the tokens in front of BEFORE."""
        return encode(sample.prompt, self.markers, self.tokenize, beginning=self._beginning)[0]

    def learned(self, sample: Sample) -> Encoded:
        """Encode a sample to learn. `labels` equal `input_ids` over what is learned and the end
        marker, and are -100 elsewhere; `weights` say how much each counts."""
        head, answered = self.head(sample), self.asked(sample)
        ids, answer = answered["input_ids"], answered["labels"]
        labels = answer if sample.answer_alone else [UNLABELLED] * len(head) + ids[len(head) :]
        weights = [1 if label == UNLABELLED else sample.emphasis for label in answer]
        if sample.ends and self.markers.end is not None:
            end = [self.markers.end]
            ids, labels, weights = ids + end, labels + end, [*weights, sample.emphasis]
        return {"input_ids": ids, "labels": labels, "weights": weights}

    def asked(self, sample: Sample) -> Encoded:
        """Return the same text with labels on the answer alone: on the tokens that reach into it,
        as a server that heals the token at the cursor would have to bring them."""
        head, text = self.head(sample), sample.prompt.before
        tokens = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        ids: list[int] = tokens.input_ids
        start = len(text) - sample.answer
        labels = [
            token if end > start else UNLABELLED
            for token, (_, end) in zip(ids, tokens.offset_mapping, strict=True)
        ]
        return {"input_ids": head + ids, "labels": [UNLABELLED] * len(head) + labels}


def markers_of(tokenizer: Any) -> Markers:
    """Return the markers among a tokenizer's added tokens; a text token of that name is none."""
    added = {str(token): token_id for token_id, token in tokenizer.added_tokens_decoder.items()}
    return find_markers(added.get)
