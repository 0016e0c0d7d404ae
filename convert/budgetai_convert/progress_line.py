"""Progress on stderr, for people who watch a terminal; a pipe gets none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Begin = Callable[[str, float], "Task"]


class Task:
    """One bar. `add` moves it on, `reach` moves it to a place; units are the caller's."""

    def __init__(self, bars: Progress, name: str, total: float) -> None:
        self._bars = bars
        self._task = bars.add_task(name, total=total)

    def add(self, amount: float = 1) -> None:
        self._bars.update(self._task, advance=amount)

    def reach(self, place: float) -> None:
        self._bars.update(self._task, completed=place)


@contextmanager
def shown() -> Iterator[Begin]:
    """Give a function that begins a bar with a name and a total."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        yield lambda name, total: Task(bars, name, total)
