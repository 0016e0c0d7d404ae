"""What the user sees while it runs: a bar with loss, tokens per second and time left, on stderr."""

import time
from collections.abc import Callable, Iterator
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

from budgetai_training.time_budget import Pace

# Seconds that need no bar.
_MAX_SECONDS_WITHOUT_BAR = 1.0


class _TimeLeft(ProgressColumn):
    """Training mostly ends by the clock, so the time left is known and not estimated."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        seconds = max(0, int(self._pace.left()))
        return Text(f"{seconds // 60}:{seconds % 60:02d} left")


class Reporter:
    """Lines and bars on stderr; quiet ones draw nothing."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show a spinner for work whose length is not known."""
        with self._console.status(what):
            yield

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator["Counter"]:
        columns = (SpinnerColumn(), TextColumn(what), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            yield Counter(bar, total)

    @contextmanager
    def reading(self) -> Iterator[Callable[[int, int], None]]:
        """Show a bar for files read, of all of them; one appears where it takes a while."""
        columns = (SpinnerColumn(), TextColumn("reading files"), BarColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=self._console, transient=True)
        task = bar.add_task("")
        began = time.monotonic()

        def tick(done: int, total: int) -> None:
            if time.monotonic() - began > _MAX_SECONDS_WITHOUT_BAR:
                bar.start()
                bar.update(task, completed=done, total=total)

        try:
            yield tick
        finally:
            bar.stop()

    @contextmanager
    def training(self, pace: Pace) -> Iterator["TrainingBar"]:
        columns = (
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            _TimeLeft(pace),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            yield TrainingBar(bar, pace)


class Counter:
    """Counts finished pieces; of how many may be told later."""

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total or None)

    def __call__(self, done: int, total: int | None = None) -> None:
        self._bar.update(self._task, completed=done, total=total)


class TrainingBar:
    """One bar for the whole training; the loss is smoothed over about ten steps."""

    def __init__(self, bar: Progress, pace: Pace) -> None:
        self._bar = bar
        self._pace = pace
        self._clock = pace.clock
        self._began = self._clock.spent()
        self._tokens_before: int | None = None
        self._losses: list[float] = []
        self._held_out = ""
        self._task = bar.add_task("", total=1.0, note="first step …")

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, soft_wrap=True)

    def step(self, number: int, loss: float, tokens: int) -> None:
        self._losses = [*self._losses[-9:], loss]
        if self._tokens_before is None:
            self._tokens_before = tokens
            self._began = self._clock.spent()
        speed = (tokens - self._tokens_before) / max(self._clock.spent() - self._began, 1e-6)
        pace = f"  {speed:.0f} tokens/s" if speed else ""
        mean = sum(self._losses) / len(self._losses)
        note = f"step {number}  loss {mean:.3f}{self._held_out}{pace}"
        self._bar.update(self._task, completed=self._pace.progress, note=note)

    def validated(self, number: int, loss: float) -> None:
        self._held_out = f" (held out {loss:.3f})"
        self.say(f"step {number}: held-out loss {loss:.3f} on the way")
