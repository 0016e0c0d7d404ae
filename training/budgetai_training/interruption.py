"""Ctrl-C while training, and whoever is told how it goes."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol


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
