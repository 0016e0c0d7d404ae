"""The HF Trainer, told to stop by the clock, with the loss taken at labelled places only."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.tensorboard import SummaryWriter
from transformers import EarlyStoppingCallback, Trainer, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback

from budgetai_training import chunked_loss, fsdp, process_group
from budgetai_training.callbacks import BudgetCallback
from budgetai_training.fit_arguments import FitArguments
from budgetai_training.run_dir import LOGS
from budgetai_training.samples.batching import Epochs, collate
from budgetai_training.time_budget import rate_factor

# A run that has become worse this many evaluations in a row will not become better.
PATIENCE = 3


class LabelledLossTrainer(Trainer):
    """Mean cross entropy over the labelled tokens of a step, with a head of its own. What was cut
    out counts more; the loss that is told is the plain mean, as that of held-out text."""

    fitting: FitArguments
    output: chunked_loss.Head
    _step, _within = -1, 0
    _sum: Any = 0.0
    _tokens = 0

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        self.fitting.nested.draw(self._number())
        hidden, labels = chunked_loss.hidden_at_labels(model, inputs)
        losses = chunked_loss.losses(hidden, self.output, labels)
        self._sum, self._tokens = self._sum + losses.detach().sum(), self._tokens + len(labels)
        weighed = losses * chunked_loss.weights_at_labels(inputs)
        # The Trainer divides by all processes once more when it averages their gradients.
        total = weighed.sum() * self.accelerator.num_processes
        return total / (num_items_in_batch if num_items_in_batch is not None else len(labels))

    def _number(self) -> int:
        """Of a micro-batch since the run began; the same after a resume, and in all processes."""
        step = self.state.global_step
        self._within = self._within + 1 if step == self._step else 0
        self._step = step
        return step * self.fitting.accumulate + self._within

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The Trainer's own would keep all logits; ours is the loss that the report tells, the
        mean over ranks where several are trained."""
        found = self.fitting.validate(self.output)
        metrics = {f"eval_rank_{rank}": loss for rank, loss in found.items() if rank}
        metrics["eval_loss"] = sum(found.values()) / len(found)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With the time used so far, which the curves of the report are drawn over."""
        if "loss" in logs and self._tokens:
            logs["loss"] = self._plain()
        logs["seconds"] = round(self.fitting.pace.clock.spent(), 2)
        super().log(logs, start_time)

    def _plain(self) -> float:
        """The mean loss of a token since the last log, over all processes."""
        seen = torch.tensor([float(self._sum), float(self._tokens)], device=self.args.device)
        total, tokens = self.accelerator.reduce(seen, "sum").tolist()
        self._sum, self._tokens = 0.0, 0
        return float(total / tokens)

    def _wrap_model(self, model: Any, training: bool = True, dataloader: Any = None) -> Any:
        """accelerate's own DDP takes no model that is spread."""
        if not (training and fsdp.is_spread(model)) or model is not self.model:
            return super()._wrap_model(model, training, dataloader)
        self.accelerator.prepare_model(model, device_placement=False, evaluation_mode=True)
        return fsdp.replicated(model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """A checkpoint that cannot be written is no reason to end the training."""
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            self.fitting.watcher.say(f"no checkpoint was written: {first_line}")


def fit(model: Any, samples: Epochs, fitting: FitArguments) -> TrainerState:
    """Train until the clock, `max_steps`, the samples, a loss that no longer falls, or Ctrl-C end
    it. Changes `model`, to its best state by `validate`."""
    if finished := _finished(model, fitting):
        return finished
    pace, optimizer = fitting.pace, fitting.optimizer
    callbacks: list[Any] = [BudgetCallback(fitting)]
    if fitting.evaluations:
        callbacks.append(EarlyStoppingCallback(PATIENCE))
    with chunked_loss.headless(model) as output, _casting(model, fitting.mixed):
        trainer = LabelledLossTrainer(
            model=model,
            args=_arguments(fitting),
            train_dataset=samples,
            eval_dataset=samples,
            data_collator=lambda batches: collate(batches[0], fitting.pad),
            optimizers=(optimizer, LambdaLR(optimizer, lambda _: rate_factor(pace.progress))),
            callbacks=[*callbacks, *_tensorboard(fitting.folder / LOGS)],
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
    """Autocast chooses the types; peft's LoRA layers would choose other ones before it."""
    if any(isinstance(part, LoraLayer) for part in model.modules()):
        return disable_input_dtype_casting(model, mixed)
    return nullcontext()


def _finished(model: Any, fitting: FitArguments) -> TrainerState | None:
    """The state of a run that was killed after its last step; its best weights are loaded."""
    if fitting.checkpoint is None:
        return None
    state: TrainerState = TrainerState.load_from_json(str(fitting.checkpoint / TRAINER_STATE_NAME))
    if not 0 < fitting.options.max_steps <= state.global_step:
        return None
    model.load_adapter(state.best_model_checkpoint or str(fitting.checkpoint), "default")
    return state


def _tensorboard(folder: Path) -> list[Any]:
    """The Trainer's own callback, with a folder of ours instead of one from the environment."""
    return [TensorBoardCallback(SummaryWriter(str(folder)))] if process_group.first() else []


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
