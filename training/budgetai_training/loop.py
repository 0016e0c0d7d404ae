"""The HF Trainer, told to stop by the clock, with the loss taken at labelled places only."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback

from budgetai_server.artefacts.storage import write_json
from budgetai_training.budget import Clock, rate_factor
from budgetai_training.dataset import Passes, collate
from budgetai_training.options import TrainOptions
from budgetai_training.runs import SPENT_FILE


class Watcher(Protocol):
    """Is told of each finished step and of what goes wrong; draws the progress bar."""

    def step(self, number: int, loss: float, tokens: int) -> None: ...

    def say(self, line: str) -> None: ...


class LabelledLossTrainer(Trainer):
    """Mean cross entropy per micro-batch, with the head computed at labelled places only."""

    # Says to the Trainer that it has to divide by the number of accumulated micro-batches.
    loss_is_scaled_for_ga = False
    complain: Callable[[str], None]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        labels = inputs["labels"][:, 1:]  # (batch, length - 1)
        places = (labels >= 0).any(dim=0).nonzero().squeeze(1)  # (labelled,)
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            logits_to_keep=places,
        )
        logits = outputs.logits.float().flatten(0, 1)  # (batch * labelled, vocabulary)
        loss = torch.nn.functional.cross_entropy(logits, labels[:, places].flatten())
        return (loss, outputs) if return_outputs else loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """A checkpoint that cannot be written is no reason to end the training."""
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            self.complain(f"no checkpoint was written: {first_line}")


class Interruption:
    """Ctrl-C while training: the first one ends the run in good order, the second at once."""

    def __init__(self, notice: Callable[[], None] = lambda: None) -> None:
        self._requested = False
        self._notice = notice

    def asked(self) -> bool:
        """Whether the user wants the run to end."""
        return self._requested

    @contextmanager
    def listening(self) -> Iterator[None]:
        def note(signum: int, frame: Any) -> None:
            if self._requested:
                signal.default_int_handler(signum, frame)
            self._requested = True
            self._notice()

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class BudgetCallback(TrainerCallback):
    """Stops before the budget is overdrawn, and asks for a checkpoint every so many seconds."""

    def __init__(
        self, clock: Clock, interruption: Interruption, watcher: Watcher, checkpoint_every: float
    ) -> None:
        self._checkpoint_every = checkpoint_every
        self._clock = clock
        self._interruption = interruption
        self._watcher = watcher
        self._step_began = 0.0
        self._slowest = 0.0
        self._saved_at = clock.spent()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._step_began = self._clock.spent()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        self._slowest = max(self._slowest, self._clock.spent() - self._step_began)
        control.should_log = True
        if self._clock.left() < self._slowest or self._interruption.asked():
            control.should_training_stop = True
        elif self._clock.spent() - self._saved_at > self._checkpoint_every:
            control.should_save = True
            self._saved_at = self._clock.spent()
        return control

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_training_stop |= self._interruption.asked()
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs and "loss" in logs:
            self._watcher.step(state.global_step, logs["loss"], state.num_input_tokens_seen)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        folder = Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
        # Written last, and only where the rest was: --resume looks for it.
        if (folder / TRAINER_STATE_NAME).exists():
            with contextlib.suppress(OSError):
                write_json(folder / SPENT_FILE, {"seconds": self._clock.spent()})


def fit(
    model: Any,
    samples: Passes,
    *,
    folder: Path,
    rate: float,
    accumulate: int,
    options: TrainOptions,
    mixed: bool,
    pad: int,
    clock: Clock,
    interruption: Interruption,
    watcher: Watcher,
    checkpoint: Path | None,
) -> TrainerState:
    """Train until the clock, `max_steps`, the samples or Ctrl-C end it. Changes `model`.

    `mixed` multiplies in bf16 whatever the weights are kept in; `pad` is a token id.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=rate, weight_decay=0.0)
    callback = BudgetCallback(clock, interruption, watcher, float(options.checkpoint_every))
    trainer = LabelledLossTrainer(
        model=model,
        args=_arguments(folder, accumulate, options, mixed),
        train_dataset=samples,
        data_collator=lambda batch: collate(batch, pad),
        optimizers=(optimizer, LambdaLR(optimizer, lambda _: rate_factor(clock.progress()))),
        callbacks=[callback],
    )
    trainer.complain = watcher.say
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.state


def _arguments(
    folder: Path, accumulate: int, options: TrainOptions, mixed: bool
) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulate,
        max_steps=options.max_steps or -1,
        num_train_epochs=1,
        max_grad_norm=1.0,
        seed=options.seed,
        # The samples are shuffled where they are made, the same way after a resume.
        train_sampling_strategy="sequential",
        save_strategy="no",
        save_total_limit=2,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        include_num_input_tokens_seen="all",
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        # Autocast: the fp32 adapter is multiplied in bf16 too, 1.2 times as fast on a CPU.
        bf16=mixed,
        dataloader_pin_memory=False,
    )
