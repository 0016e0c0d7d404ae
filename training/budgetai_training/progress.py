"""What the user sees while it runs: a bar with loss, tokens per second and time left, on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from budgetai_training.budget import Clock


class _TimeLeft(ProgressColumn):
    """Training ends by the clock, so the time left is known and not estimated."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:
        seconds = max(0, int(self._clock.left()))
        return Text(f"{seconds // 60}:{seconds % 60:02d} left")


class Reporter:
    """Lines and bars on stderr; quiet ones draw nothing."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """A spinner for work whose length is not known."""
        with self._console.status(what):
            yield

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator["Counter"]:
        columns = (SpinnerColumn(), TextColumn(what), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            yield Counter(bar, total)

    @contextmanager
    def training(self, clock: Clock) -> Iterator["TrainingBar"]:
        columns = (
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            _TimeLeft(clock),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            yield TrainingBar(bar, clock)


class Counter:
    """Counts finished pieces of known number."""

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def __call__(self, done: int) -> None:
        self._bar.update(self._task, completed=done)


class TrainingBar:
    """One bar for the whole budget; the loss is smoothed over about ten steps."""

    def __init__(self, bar: Progress, clock: Clock) -> None:
        self._bar = bar
        self._clock = clock
        self._began = clock.spent()
        self._tokens_before: int | None = None
        self.losses: list[float] = []
        self._task = bar.add_task("", total=1.0, note="first step …")

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, soft_wrap=True)

    def step(self, number: int, loss: float, tokens: int) -> None:
        self.losses.append(loss)
        if self._tokens_before is None:
            self._tokens_before = tokens
            self._began = self._clock.spent()
        speed = (tokens - self._tokens_before) / max(self._clock.spent() - self._began, 1e-6)
        recent = self.losses[-10:]
        pace = f"  {speed:.0f} tokens/s" if speed else ""
        note = f"step {number}  loss {sum(recent) / len(recent):.3f}{pace}"
        self._bar.update(self._task, completed=self._clock.progress(), note=note)
