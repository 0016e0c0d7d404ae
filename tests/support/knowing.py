"""An engine that has read finished files: it goes on with what comes next in them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from budgetai_core.context.prompt import Prompt
from budgetai_core.context.window import WindowLimits
from budgetai_server.inference.engine import Piece, Usage


class Knows:
    """It knows texts by the name of their file, without its ending."""

    name, state, ahead, limits, path, adapter, reserve = (
        "knows",
        "ready",
        False,
        WindowLimits(),
        Path("k"),
        "",
        256,
    )

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.prompts: list[Prompt] = []
        self.warmed: list[Prompt] = []
        self.learned: list[str] = []

    def learn(self, texts: Iterable[str]) -> None:
        self.learned = list(texts)

    def warm(self, prompt: Prompt, cancelled: Callable[[], bool]) -> None:
        self.warmed.append(prompt)

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        self.prompts.append(prompt)
        text = self.texts.get(prompt.path.removesuffix(".py"), "")
        for character in text.partition(prompt.before)[2] if prompt.before else text:
            usage.answer_tokens += 1
            yield Piece(character)
