"""What happens between two steps: the clock, Ctrl-C, checkpoints, evaluations, the bar."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.errors import BaseError
from budgetai_training import process_group
from budgetai_training.fit_arguments import FitArguments
from budgetai_training.run_dir import SPENT_FILE

# After so many steps in a row whose gradients are no numbers, the run is beyond help.
_BROKEN = 5


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
        self._fitting.pace.progress = process_group.agreed(
            self._fitting.pace.now(state.global_step + 1)
        )
        self._leave_out_if_broken(given["model"], state.global_step + 1)

    def _leave_out_if_broken(self, model: torch.nn.Module, step: int) -> None:
        """A gradient that is no number would make every weight none; a faulty kernel is enough."""
        tuned = [p for p in model.parameters() if p.grad is not None]
        if not process_group.any_of(not _finite(tuned)):
            self._broken = 0
            return
        self._broken += 1
        for parameter in tuned:
            parameter.grad = None
        self._fitting.watcher.say(f"step {step} is left out: its gradients are no numbers")
        if self._broken >= _BROKEN:
            raise BaseError(
                f"the gradients of {_BROKEN} steps in a row are no numbers",
                "Try a lower --learning-rate, or --load-in fp32",
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        self._slowest = max(self._slowest, self._clock.spent() - self._step_began)
        late = self._clock.left() < self._slowest
        due = self._due(self._fitting.pace.progress)
        save = self._clock.spent() - self._saved_at > self._fitting.options.checkpoint_every
        late, due, save = process_group.agreed((late, due, save))
        interrupted = self._interrupted(state)
        control.should_log = True
        control.should_training_stop |= late or interrupted
        # At its end a run is judged once more, whatever ends it: the best state is chosen.
        done = control.should_training_stop and not interrupted
        if self._fitting.evaluations and (due > self._evaluated or done):
            self._evaluated = due
            control.should_evaluate = True
        elif save and not control.should_training_stop:
            control.should_save = True
        return control

    def _interrupted(self, state: TrainerState) -> bool:
        """Whether any process was asked to stop; then the last state is kept: what was learned
        since the best one was seen has not been judged, and may be better."""
        asked = process_group.any_of(self._fitting.interruption.asked())
        if asked:
            state.best_model_checkpoint = None
        return asked

    def _due(self, progress: float) -> int:
        """How many evaluations should have been made by now."""
        return int(progress * self._fitting.evaluations)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        # Many micro-batches a step could overdraw the budget; the first step is always made.
        late = process_group.agreed(self._clock.left() <= 0 and state.global_step > 0)
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
        if not process_group.first() or not (folder / TRAINER_STATE_NAME).exists():
            return
        with contextlib.suppress(OSError):
            # Written last, and only where the rest was: --resume looks for it.
            write_json(folder / SPENT_FILE, {"seconds": self._clock.spent()})


def _finite(parameters: Sequence[torch.nn.Parameter]) -> bool:
    found = [p.grad.isfinite().all() for p in parameters if p.grad is not None]
    return bool(torch.stack(found).all()) if found else True
