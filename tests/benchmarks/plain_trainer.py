"""The peer of trainer_speed.py: the Hugging Face Trainer as a plain script uses it.

Batches in an order that the Trainer draws, padded to their longest; all logits; the model's own
loss. Nothing here is made slower than it need be: rows are token ids before the clock starts, there
are not evaluations, checkpoints or bars, and the loss counts labelled tokens as ours does.
"""

import tempfile
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

Row = dict[str, list[int]]


class Watch(Protocol):
    """Is told when a batch is read, and of each finished step."""

    def read(self) -> None: ...

    def step(self, number: int, loss: float, tokens: int) -> None: ...


class Padding:
    """The data collator; keeps which rows it has put together."""

    def __init__(self, pad: int, watch: Watch) -> None:
        self._pad = pad
        self._watch = watch
        self.shown: list[Sequence[Row]] = []

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Int64 tensors of shape (batch, longest)."""
        self._watch.read()
        self.shown.append(rows)
        fillers = {"input_ids": self._pad, "labels": -100, "attention_mask": 0}
        return {name: self._padded(rows, name, filler) for name, filler in fillers.items()}

    def _padded(self, rows: Sequence[Row], name: str, filler: int) -> torch.Tensor:
        longest = max(len(row["input_ids"]) for row in rows)
        parts = [row[name] + [filler] * (longest - len(row[name])) for row in rows]
        return torch.tensor(parts)


class Told(TrainerCallback):
    """Hands the logs of each step on."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in (logs or {}):
            self._watch.step(state.global_step, logs["loss"], int(state.num_input_tokens_seen))


def train(
    model: Any,
    rows: Sequence[Row],
    *,
    batch: int,
    rate: float,
    seed: int,
    pad: int,
    mixed: bool,
    watch: Watch,
) -> list[Sequence[Row]]:
    """Train one epoch; the batches in the order in which they were shown."""
    padding = Padding(pad, watch)
    whole = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=_arguments(folder, batch=batch, rate=rate, seed=seed, mixed=mixed),
            train_dataset=whole,
            data_collator=padding,
            callbacks=[Told(watch)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return padding.shown


def _arguments(
    folder: str, *, batch: int, rate: float, seed: int, mixed: bool
) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        learning_rate=rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        weight_decay=0.0,
        seed=seed,
        bf16=mixed,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_steps=1,
        include_num_input_tokens_seen="non_padding",
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
    )
