"""The training loop: the HF Trainer, told to stop by the clock, with the loss taken at labelled
places only. `training_step` is one micro-batch, here and where settings are tried.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from peft.helpers import disable_input_dtype_casting
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.tensorboard import SummaryWriter
from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback

from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.errors import BaseError
from budgetai_training import chunked_loss, fsdp, process_group
from budgetai_training.methods.dylora import DyLoRA
from budgetai_training.options import TrainOptions
from budgetai_training.run_dir import LOGS, SPENT_FILE
from budgetai_training.samples.batching import Epochs, collate
from budgetai_training.time_budget import Pace, rate_factor

# A run that has become worse this many evaluations in a row will not become better.
PATIENCE = 3
# After so many steps in a row whose gradients are not numbers, the run is beyond help.
_MAX_BROKEN_STEPS = 5


class Watcher(Protocol):
    """Is told of each finished step and of what goes wrong; draws the progress bar."""

    def step(self, number: int, loss: float, tokens: int) -> None: ...

    def validated(self, number: int, loss: float) -> None: ...

    def say(self, line: str) -> None: ...


class Interruption:
    """Ctrl-C while training: the first one ends the run in good order, the second at once."""

    def __init__(self, notice: Callable[[], None] = lambda: None) -> None:
        self._requested = False
        self._notice = notice

    def asked(self) -> bool:
        """Return whether the user wants the run to end."""
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


@dataclass(frozen=True, kw_only=True)
class FitArguments:
    """What a run is fitted with; `rate` is the peak, `accumulate` counts micro-batches a step,
    `evaluations` is how often `validate` is asked on the way for losses by rank. `mixed` multiplies
    in bf16 whatever the weights are kept in, `pad` is a token id."""

    options: TrainOptions
    folder: Path
    optimizer: torch.optim.Optimizer
    accumulate: int
    evaluations: int
    validate: Callable[[chunked_loss.Head], dict[int, float]]
    dylora: DyLoRA
    mixed: bool
    pad: int
    pace: Pace
    interruption: Interruption
    watcher: Watcher
    checkpoint: Path | None


def training_step(
    model: Any,
    output: chunked_loss.Head,
    batch: dict[str, torch.Tensor],
    *,
    tokens: Any = None,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> torch.Tensor:
    """Run a micro-batch forward and backward. Gradients are those of the weighted cross entropies,
    summed and divided by `tokens`, or by the labels of the batch. `model` is headless, `output` its
    head. Returns the plain cross entropies (n,) at the n labels, in nats."""
    model.train()
    with chunked_loss.arithmetic(batch["input_ids"].device, output.weight.dtype):
        hidden, labels = chunked_loss.hidden_at_labels(model, batch)
        losses = chunked_loss.losses(hidden, output, labels)
        weighed = losses * chunked_loss.weights_at_labels(batch)
    backward(weighed.sum() / (len(labels) if tokens is None else tokens))
    return losses.detach()


class LabelledLossTrainer(Trainer):
    """Mean cross entropy over the labelled tokens of a step, with a head of its own. What was cut
    out counts more; the loss that is told is the plain mean, as that of held-out text."""

    fitting: FitArguments
    output: chunked_loss.Head
    _step, _within = -1, 0
    _sum: Any = 0.0
    _tokens = 0

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Run a step with the ranks drawn for it, and return its mean loss ().
        `num_items_in_batch` are the labels of all micro-batches of a step."""
        self.fitting.dylora.draw(self._number())
        # The Trainer divides by all processes when it averages their gradients.
        tokens = num_items_in_batch and num_items_in_batch / self.accelerator.num_processes
        batch = self._prepare_inputs(inputs)
        backward = self.accelerator.backward
        losses = training_step(model, self.output, batch, tokens=tokens, backward=backward)
        self._sum, self._tokens = self._sum + losses.sum(), self._tokens + len(losses)
        return losses.mean()

    def _number(self) -> int:
        """Return the number of a micro-batch since the run began; the same after a resume, and in
        all processes."""
        step = self.state.global_step
        self._within = self._within + 1 if step == self._step else 0
        self._step = step
        return step * self.fitting.accumulate + self._within

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Evaluate without keeping all logits, as the Trainer's own would: return the loss that the
        report tells, the mean over ranks where several are trained."""
        losses = self.fitting.validate(self.output)
        metrics = {f"eval_rank_{rank}": loss for rank, loss in losses.items() if rank}
        metrics["eval_loss"] = sum(losses.values()) / len(losses)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the time used so far, which the curves of the report are drawn over."""
        if "loss" in logs and self._tokens:
            logs["loss"] = self._mean_loss()
        logs["seconds"] = round(self.fitting.pace.clock.spent(), 2)
        super().log(logs, start_time)

    def _mean_loss(self) -> float:
        """Return the mean loss of a token since the last log, over all processes."""
        sums = torch.tensor([float(self._sum), float(self._tokens)], device=self.args.device)
        total, tokens = self.accelerator.reduce(sums, "sum").tolist()
        self._sum, self._tokens = 0.0, 0
        return float(total / tokens)

    def _wrap_model(self, model: Any, training: bool = True, dataloader: Any = None) -> Any:
        """Wrap a model that is sharded, which accelerate's own DDP does not take."""
        if not (training and fsdp.is_sharded(model)) or model is not self.model:
            return super()._wrap_model(model, training, dataloader)
        self.accelerator.prepare_model(model, device_placement=False, evaluation_mode=True)
        return fsdp.data_parallel(model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a checkpoint; the training goes on if it cannot be written."""
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            self.fitting.watcher.say(f"no checkpoint was written: {first_line}")


class BudgetCallback(TrainerCallback):
    """Stops before the budget is overdrawn; asks for a checkpoint every so many seconds, and for
    evaluations evenly over the run. What it decides by a clock, all processes do."""

    def __init__(self, fitting: FitArguments) -> None:
        self._fitting = fitting
        self._clock = fitting.pace.clock
        self._step_began = 0.0
        self._slowest = 0.0
        self._saved_at = self._clock.spent()
        self._evaluated = 0
        self._broken = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._evaluated = self._due(self._fitting.pace.now(state.global_step))

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._step_began = self._clock.spent()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        self._fitting.pace.progress = process_group.broadcast(
            self._fitting.pace.now(state.global_step + 1)
        )
        self._leave_out_if_broken(given["model"], state.global_step + 1)

    def _leave_out_if_broken(self, model: torch.nn.Module, step: int) -> None:
        """Leave out a gradient that is not a number: it would make every weight one, and a faulty
        kernel is enough."""
        tuned = [p for p in model.parameters() if p.grad is not None]
        if not process_group.any_process(not _finite(tuned)):
            self._broken = 0
            return
        self._broken += 1
        for parameter in tuned:
            parameter.grad = None
        self._fitting.watcher.say(f"step {step} is left out: its gradients are not numbers")
        if self._broken >= _MAX_BROKEN_STEPS:
            raise BaseError(
                f"the gradients of {_MAX_BROKEN_STEPS} steps in a row are not numbers",
                "Try a lower --learning-rate, or --load-in fp32",
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        self._slowest = max(self._slowest, self._clock.spent() - self._step_began)
        late = self._clock.left() < self._slowest
        due = self._due(self._fitting.pace.progress)
        save = self._clock.spent() - self._saved_at > self._fitting.options.checkpoint_every
        late, due, save = process_group.broadcast((late, due, save))
        interrupted = self._interrupted(state)
        control.should_log = True
        control.should_training_stop |= late or interrupted
        # At its end a run is evaluated once more, whatever ends it: the best state is chosen.
        done = control.should_training_stop and not interrupted
        if self._fitting.evaluations and (due > self._evaluated or done):
            self._evaluated = due
            control.should_evaluate = True
        elif save and not control.should_training_stop:
            control.should_save = True
        return control

    def _interrupted(self, state: TrainerState) -> bool:
        """Return whether any process was asked to stop; then the last state is kept: what was
        learned since the best one was seen has not been evaluated, and may be better."""
        asked = process_group.any_process(self._fitting.interruption.asked())
        if asked:
            state.best_model_checkpoint = None
        return asked

    def _due(self, progress: float) -> int:
        """Return how many evaluations should have been made by now."""
        return int(progress * self._fitting.evaluations)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        # Many micro-batches a step could overdraw the budget; the first step is always made.
        late = process_group.broadcast(self._clock.left() <= 0 and state.global_step > 0)
        control.should_training_stop |= late or self._interrupted(state)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        logs = logs or {}
        step, tokens = state.global_step, int(state.num_input_tokens_seen)
        if "loss" in logs:
            self._fitting.watcher.step(step, logs["loss"], tokens)
        if "eval_loss" in logs:
            self._fitting.watcher.validated(step, logs["eval_loss"])

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._saved_at = self._clock.spent()
        folder = Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
        if not process_group.is_main() or not (folder / TRAINER_STATE_NAME).exists():
            return
        with contextlib.suppress(OSError):
            # Written last, and only where the rest was: --resume looks for it.
            write_json(folder / SPENT_FILE, {"seconds": self._clock.spent()})


def _finite(parameters: Sequence[torch.nn.Parameter]) -> bool:
    finite = [p.grad.isfinite().all() for p in parameters if p.grad is not None]
    return bool(torch.stack(finite).all()) if finite else True


def fit(model: Any, samples: Epochs, fitting: FitArguments) -> TrainerState:
    """Train until the clock, `max_steps`, the samples, a loss that no longer falls, or Ctrl-C end
    it. Changes `model`, to its best state by `validate`."""
    if finished := _finished(model, fitting):
        return finished
    pace, optimizer = fitting.pace, fitting.optimizer
    callbacks: list[Any] = [BudgetCallback(fitting)]
    if fitting.evaluations:
        callbacks.append(EarlyStoppingCallback(PATIENCE))
    if process_group.is_main():
        # With a folder of ours instead of one from the environment.
        callbacks.append(TensorBoardCallback(SummaryWriter(str(fitting.folder / LOGS))))
    with chunked_loss.headless(model) as output, _casting(model, fitting.mixed):
        trainer = LabelledLossTrainer(
            model=model,
            args=_arguments(fitting),
            train_dataset=samples,
            eval_dataset=samples,
            data_collator=lambda batches: collate(batches[0], fitting.pad),
            optimizers=(optimizer, LambdaLR(optimizer, lambda _: rate_factor(pace.progress))),
            callbacks=callbacks,
        )
        trainer.fitting, trainer.output = fitting, output
        # Says that the loss is divided by the labelled tokens of all micro-batches of a step.
        trainer.model_accepts_loss_kwargs = True
        trainer.remove_callback(PrinterCallback)
        checkpoint = fitting.checkpoint
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    return trainer.state


def _casting(model: Any, mixed: bool) -> AbstractContextManager[None]:
    """Let autocast choose the types; peft's LoRA layers would choose other ones before it."""
    if any(isinstance(part, LoraLayer) for part in model.modules()):
        return disable_input_dtype_casting(model, mixed)
    return nullcontext()


def _finished(model: Any, fitting: FitArguments) -> TrainerState | None:
    """Return the state of a run that was killed after its last step; its best weights are
    loaded."""
    if fitting.checkpoint is None:
        return None
    state: TrainerState = TrainerState.load_from_json(str(fitting.checkpoint / TRAINER_STATE_NAME))
    if not 0 < fitting.options.max_steps <= state.global_step:
        return None
    model.load_adapter(state.best_model_checkpoint or str(fitting.checkpoint), "default")
    return state


def _arguments(fitting: FitArguments) -> TrainingArguments:
    options = fitting.options
    return TrainingArguments(
        output_dir=str(fitting.folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=fitting.accumulate,
        max_steps=options.max_steps or -1,
        num_train_epochs=1,
        max_grad_norm=1.0,
        seed=options.seed,
        # The samples are shuffled where they are made, the same way after a resume.
        train_sampling_strategy="sequential",
        # Evaluations and checkpoints are asked for by the clock, in BudgetCallback.
        eval_strategy="steps" if fitting.evaluations else "no",
        eval_steps=2**31,
        save_strategy="best" if fitting.evaluations else "no",
        load_best_model_at_end=bool(fitting.evaluations),
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        # The best, the newest, and the one before it until the newest is complete.
        save_total_limit=3,
        restore_callback_states_from_checkpoint=True,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        include_num_input_tokens_seen="non_padding",
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        # Autocast: the fp32 adapter is multiplied in bf16 too, 1.2 times as fast on a CPU.
        bf16=fitting.mixed,
        dataloader_pin_memory=False,
        accelerator_config={"dispatch_batches": False},
        ddp_find_unused_parameters=False,
    )
