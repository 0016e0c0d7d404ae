"""An engine by hand, for what is done with the words of a model."""

from collections.abc import Callable, Iterator

from budgetai_core.context.prompt import Prompt
from budgetai_core.context.window import WindowLimits
from budgetai_server.inference.engine import Piece, Usage


class Says:
    """It says what it is given, one part after the other, then nothing."""

    name, state, ahead, limits = "says", "ready", False, WindowLimits()

    def __init__(self, *parts: str) -> None:
        self.parts = list(parts)
        self.heard: list[str] = []

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        self.heard.append(prompt.before)
        for character in self.parts.pop(0) if self.parts else "":
            yield Piece(character)

    def warm(self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage) -> None: ...

    def learn(self, texts: object) -> None: ...

    def close(self) -> None: ...
