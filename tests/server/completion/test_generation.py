"""One answer serves every place inside of it, and no other."""

from collections.abc import Callable, Iterable, Iterator

from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.context.window import Limits
from budgetai_server.completion.generation import Generation, GenerationCache
from budgetai_server.completion.render import CompletionPolicy, generate, render
from budgetai_server.inference.engine import Piece, Usage

BEFORE, AFTER = "def f(a):\n    ", "\n\nx = 1\n"


def place(typed: str = "", *, path: str = "a.py", after: str = AFTER) -> Snapshot:
    text = BEFORE + typed + after
    return Snapshot("r", path, text, len(BEFORE + typed))


def said(*pieces: str, ended: bool = False) -> Generation:
    answer = Generation(place())
    for piece in pieces:
        answer.add(Piece(piece, -0.1))
    answer.ended = ended
    return answer


def text_at(
    answer: Generation, snapshot: Snapshot, rules: CompletionPolicy | None = None
) -> str | None:
    found = render(answer, snapshot, rules or CompletionPolicy(block=0))
    return found.text if found else None


def test_typing_along() -> None:
    answer = said("return", " a", "\n", "    ")
    assert text_at(answer, place()) == "return a"
    assert text_at(answer, place("ret")) == "urn a"
    assert text_at(answer, place("return a")) is None
    assert answer.may_agree(place("return a\n    x = 2"))


def test_after_an_accept_the_next_line_is_there() -> None:
    answer = said("return", " a", "\n", "    ", "b", " = 2", "\n")
    assert text_at(answer, place("return a")) == "\n    b = 2"
    assert text_at(answer, place("return a\n    ")) == "b = 2"


def test_closers_that_the_editor_puts_in_or_that_are_typed_over() -> None:
    answer = said("add(a, b)", "\n", "    ", "return", "\n")
    assert text_at(answer, place("add(")) == "a, b)"
    in_brackets = render(answer, place("add(", after=")" + AFTER), CompletionPolicy(block=0))
    assert in_brackets and (in_brackets.text, in_brackets.replaces) == ("a, b)", 1)
    here = Generation(place("add(", after=")" + AFTER))
    here.add(Piece("a, b)\n    return\n"))
    typed_over = place("add(a, b)")
    assert text_at(here, typed_over) == "\n    return"
    assert text_at(answer, place("add(", after="x" + AFTER)) is None


def test_typing_along_a_block_keeps_the_block() -> None:
    answer = said("if a:", "\n", "        a += 1", "\n", "    ", "return a", "\n\n", "x = 2\n")
    whole = "if a:\n        a += 1\n    return a"
    for typed in ("", "i", "if a:", "if a:\n        a +"):
        assert text_at(answer, place(typed), CompletionPolicy()) == whole[len(typed) :]


def test_what_was_shown_does_not_become_doubtful() -> None:
    answer = Generation(place())
    for text, logprob in (("return", -0.1), (" a", -2.0), ("\n", None)):
        answer.add(Piece(text, logprob))
    sure = CompletionPolicy(block=0, min_confidence=0.3)
    assert text_at(answer, place(), sure) == "return a"
    assert text_at(answer, place("return"), sure) == " a"


def test_another_text_is_another_question() -> None:
    answer = said("return a\n")
    assert text_at(answer, place("rex")) is None
    assert not answer.may_agree(place("rex"))
    assert text_at(answer, place(path="b.py")) is None
    assert text_at(answer, place(after=AFTER + "y")) is None
    assert text_at(answer, place(after="\n\ny = 1\n")) is None
    assert answer.typed(Snapshot("r", "a.py", BEFORE[:-1] + AFTER, len(BEFORE) - 1)) is None


def test_nothing_is_decided_until_the_line_ends_or_the_limit_comes() -> None:
    answer = said("return", " some", "_value")
    assert text_at(answer, place()) is None
    assert text_at(answer, place(), CompletionPolicy(line=3, block=0)) == "return"
    answer.ended = True
    assert text_at(answer, place()) == "return some_value"


def test_a_doubtful_answer_is_kept_back() -> None:
    answer = Generation(place())
    for text, logprob in (("return", -3.0), (" a", -2.0), ("\n", None)):
        answer.add(Piece(text, logprob))
    assert text_at(answer, place(), CompletionPolicy(block=0, min_confidence=0.05)) == "return a"
    assert text_at(answer, place(), CompletionPolicy(block=0, min_confidence=0.2)) == ""
    assert text_at(answer, place("return"), CompletionPolicy(block=0, min_confidence=0.1)) == " a"


def test_few_answers_and_few_characters_are_kept() -> None:
    answers = GenerationCache()
    first = said("return a\n")
    answers.add(first)
    for number in range(100):
        answers.add(Generation(Snapshot("r", f"{number}.py", "x", 1)))
    assert answers.find(lambda answer: answer is first) is None
    for number in range(5):
        answers.add(Generation(Snapshot("r", f"{number}.py", "x" * 3_000_000, 1)))
    kept: list[str] = []
    answers.find(lambda answer: bool(kept.append(answer.snapshot.path)))  # type: ignore[func-returns-value]
    assert kept == ["4.py", "3.py"]


def test_an_answer_cut_at_the_limit_is_not_the_end_of_the_text() -> None:
    class Endless:
        name, state, limits, ahead = "endless", "ready", Limits(), True

        def generate(
            self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
        ) -> Iterator[Piece]:
            for number in range(limit):
                usage.answer_tokens += 1
                yield Piece(f" word{number * 7919}")

        def warm(self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage) -> None: ...
        def learn(self, texts: Iterable[str]) -> None: ...
        def close(self) -> None: ...

    answer = Generation(place())
    rules = CompletionPolicy(line=4, block=0)
    generate(Endless(), answer, None, rules, lambda: False, lambda: False)
    assert not answer.ended
    almost_all = answer.text[:-8]
    assert text_at(answer, place(almost_all), rules) is None
    assert text_at(answer, place(), rules) is not None
