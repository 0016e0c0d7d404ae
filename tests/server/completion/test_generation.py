"""One generation serves every place inside of it, and no other."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.context.window import WindowLimits
from budgetai_server.completion.generation import (
    Generation,
    GenerationCache,
    StopPolicy,
    generate,
)
from budgetai_server.completion.render import CompletionPolicy, render
from budgetai_server.inference.engine import Piece, Usage

BEFORE, AFTER = "def f(a):\n    ", "\n\nx = 1\n"


def place(typed: str = "", *, path: str = "a.py", after: str = AFTER) -> Snapshot:
    text = BEFORE + typed + after
    return Snapshot("r", path, text, len(BEFORE + typed))


def generated(*pieces: str) -> Generation:
    generation = Generation(place())
    for piece in pieces:
        generation.add(Piece(piece))
    return generation


def test_it_agrees_with_what_is_typed_along_it_or_beyond() -> None:
    generation = generated("return", " a", "\n", "    ")
    for typed in ("", "ret", "return a", "return a\n    x = 2"):
        assert generation.may_agree(place(typed))
        assert generation.typed(place(typed)) == typed
    assert not generation.may_agree(place("rex"))


def test_another_text_is_another_question() -> None:
    generation = generated("return a\n")
    assert generation.typed(place(path="b.py")) is None
    assert generation.typed(place(after=AFTER + "y")) is None
    assert generation.typed(Snapshot("r", "a.py", BEFORE[:-1] + AFTER, len(BEFORE) - 1)) is None


def test_where_tokens_end() -> None:
    generation = generated("return", " a", "\n")
    assert generation.end_of(0, 2) == len("return a")
    assert generation.end_of(len("return"), 1) == len("return a")
    assert generation.end_of(0, 4) is None


@pytest.mark.parametrize(
    ("text", "reached"),
    [("a\n\nb\n\n", True), ("a\nb\nc\n", False), ("\n\n\n\n\n", False)],
)
def test_how_far_is_decoded_ahead(text: str, reached: bool) -> None:
    assert StopPolicy(96).lookahead_reached(generated(text)) is reached


def test_few_generations_and_few_characters_are_kept() -> None:
    cache = GenerationCache()
    first = generated("return a\n")
    cache.add(first)
    for number in range(100):
        cache.add(Generation(Snapshot("r", f"{number}.py", "x", 1)))
    assert cache.first(lambda kept: kept if kept is first else None) is None
    for number in range(5):
        cache.add(Generation(Snapshot("r", f"{number}.py", "x" * 3_000_000, 1)))
    paths: list[str] = []
    cache.first(lambda kept: paths.append(kept.snapshot.path))
    assert paths == ["4.py", "3.py"]


def test_what_is_read_is_kept_longest() -> None:
    cache = GenerationCache()
    for number in range(64):
        cache.add(Generation(Snapshot("r", f"{number}.py", "x", 1)))
    assert cache.first(lambda kept: kept.snapshot.path == "0.py" or None)
    cache.add(generated())
    assert cache.first(lambda kept: kept.snapshot.path == "0.py" or None)
    assert not cache.first(lambda kept: kept.snapshot.path == "1.py" or None)


def test_a_generation_cut_at_the_limit_is_not_the_end_of_the_text() -> None:
    class Endless:
        name, state, limits, ahead = "endless", "ready", WindowLimits(), True

        def generate(
            self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
        ) -> Iterator[Piece]:
            for number in range(limit):
                usage.answer_tokens += 1
                yield Piece(f" word{number * 7919}")

        def warm(self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage) -> None: ...
        def learn(self, texts: Iterable[str]) -> None: ...
        def close(self) -> None: ...

    generation = Generation(place())
    policy = CompletionPolicy(line=4, block=0)
    generate(Endless(), generation, None, policy.stop, lambda: False, lambda: False)
    assert not generation.ended
    almost_all = generation.text[:-8]
    assert render(generation, place(almost_all), policy) is None
    assert render(generation, place(), policy) is not None
