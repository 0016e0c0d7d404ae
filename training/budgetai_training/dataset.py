"""Samples as token ids: what is shown carries no label, what is learned does."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from budgetai_server.context.prompt import Markers, encode, find_markers
from budgetai_training.samples import Sample

UNLABELLED = -100

Encoded = dict[str, list[int]]


class Encoder:
    """Turns samples into `input_ids` and `labels` with the base's own tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.markers = markers_of(tokenizer)
        self._beginning = tuple(tokenizer("").input_ids)

    def tokenize(self, text: str) -> list[int]:
        """Text as text: names of special tokens inside it are not parsed."""
        ids: list[int] = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True
        ).input_ids
        return ids

    def encode(self, sample: Sample) -> Encoded:
        """`labels` equal `input_ids` over BEFORE and the end marker, and are -100 elsewhere."""
        beginning = self._beginning
        head, learned = encode(sample.prompt, self.markers, self.tokenize, beginning=beginning)
        if self.markers.end is not None:
            learned = [*learned, self.markers.end]
        return {"input_ids": head + learned, "labels": [UNLABELLED] * len(head) + learned}


def markers_of(tokenizer: Any) -> Markers:
    """The markers among a tokenizer's added tokens; a text token of that name is none."""
    added = {str(token): token_id for token_id, token in tokenizer.added_tokens_decoder.items()}
    return find_markers(added.get)


class Passes(Dataset[Encoded]):
    """Several passes over the files as one sequence; each is laid out when it is reached.

    `make_pass(n)` gives the samples of pass n; every pass must be the same on every call.
    Lengths of passes differ a little, so a pass is cut or repeated to the length of the first.
    """

    def __init__(
        self, make_pass: Callable[[int], Sequence[Sample]], encoder: Encoder, passes: int
    ) -> None:
        self._make_pass = make_pass
        self._encoder = encoder
        self._passes = passes
        self._current: tuple[int, Sequence[Sample]] = (0, make_pass(0))
        self.pass_length = len(self._current[1])

    def __len__(self) -> int:
        return self._passes * self.pass_length

    def __getitem__(self, position: int) -> Encoded:
        number, place = divmod(position, self.pass_length)
        if number != self._current[0]:
            self._current = (number, self._make_pass(number))
        samples = self._current[1]
        return self._encoder.encode(samples[place % len(samples)])


def collate(batch: list[Encoded], pad: int = 0) -> dict[str, torch.Tensor]:
    """Pad on the right to the longest. Returns int64 tensors of shape (batch, length)."""
    longest = max(len(row["input_ids"]) for row in batch)

    def padded(key: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in batch])

    mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in batch]
    return {
        "input_ids": padded("input_ids", pad),
        "labels": padded("labels", UNLABELLED),
        "attention_mask": torch.tensor(mask),
    }
