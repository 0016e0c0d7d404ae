"""What is shown at a place depends on the generation, the document and the policy alone."""

from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.generation import Generation
from budgetai_server.completion.render import CompletionPolicy, render
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.inference.engine import Piece

BEFORE, AFTER = "def f(a):\n    ", "\n\nx = 1\n"
LINES = CompletionPolicy(block=0)


def place(typed: str = "", *, path: str = "a.py", after: str = AFTER) -> Snapshot:
    text = BEFORE + typed + after
    return Snapshot("r", path, text, len(BEFORE + typed))


def generated(*pieces: str, ended: bool = False) -> Generation:
    generation = Generation(place())
    for piece in pieces:
        generation.add(Piece(piece, -0.1))
    generation.ended = ended
    return generation


def unsure(*pieces: tuple[str, float | None]) -> Generation:
    generation = Generation(place())
    for text, logprob in pieces:
        generation.add(Piece(text, logprob))
    return generation


def text_at(
    generation: Generation, snapshot: Snapshot, policy: CompletionPolicy = LINES
) -> str | None:
    suggestion = render(generation, snapshot, policy)
    return suggestion.text if suggestion else None


def test_typing_along() -> None:
    generation = generated("return", " a", "\n", "    ")
    assert text_at(generation, place()) == "return a"
    assert text_at(generation, place("ret")) == "urn a"
    assert text_at(generation, place("return a")) is None


def test_after_an_accept_the_next_line_is_there() -> None:
    generation = generated("return", " a", "\n", "    ", "b", " = 2", "\n")
    assert text_at(generation, place("return a")) == "\n    b = 2"
    assert text_at(generation, place("return a\n    ")) == "b = 2"


def test_closers_that_the_editor_puts_in_or_that_are_typed_over() -> None:
    generation = generated("add(a, b)", "\n", "    ", "return", "\n")
    assert text_at(generation, place("add(")) == "a, b)"
    in_brackets = render(generation, place("add(", after=")" + AFTER), LINES)
    assert in_brackets and (in_brackets.text, in_brackets.replaces) == ("a, b)", 1)
    here = Generation(place("add(", after=")" + AFTER))
    here.add(Piece("a, b)\n    return\n"))
    assert text_at(here, place("add(a, b)")) == "\n    return"
    assert text_at(generation, place("add(", after="x" + AFTER)) is None


def test_typing_along_a_block_keeps_the_block() -> None:
    generation = generated(
        "if a:", "\n", "        a += 1", "\n", "    ", "return a", "\n\n", "x = 2\n"
    )
    whole = "if a:\n        a += 1\n    return a"
    for typed in ("", "i", "if a:", "if a:\n        a +"):
        assert text_at(generation, place(typed), CompletionPolicy()) == whole[len(typed) :]


def test_another_text_or_place_gets_nothing() -> None:
    generation = generated("return a\n")
    assert text_at(generation, place("rex")) is None
    assert text_at(generation, place(path="b.py")) is None
    assert text_at(generation, place(after=AFTER + "y")) is None
    assert text_at(generation, place(after="\n\ny = 1\n")) is None


def test_nothing_is_decided_until_the_line_ends_or_the_limit_comes() -> None:
    generation = generated("return", " some", "_value")
    assert text_at(generation, place()) is None
    assert text_at(generation, place(), CompletionPolicy(line=3, block=0)) == "return"
    generation.ended = True
    assert text_at(generation, place()) == "return some_value"


def test_an_ended_generation_that_says_nothing_is_an_empty_suggestion() -> None:
    """Decided, and nothing to show: no one has to ask the model again."""
    assert render(generated(ended=True), place(), LINES) == Suggestion("")
    assert text_at(generated("\n", "\n", ended=True), place("x = 1")) is None


def test_a_doubtful_suggestion_is_kept_back() -> None:
    generation = unsure(("return", -3.0), (" a", -2.0), ("\n", None))

    def shown(typed: str = "", confidence: float = 0.0) -> str | None:
        policy = CompletionPolicy(block=0, min_confidence=confidence)
        return text_at(generation, place(typed), policy)

    assert shown(confidence=0.05) == "return a"
    assert shown(confidence=0.2) == ""
    assert shown("return", confidence=0.1) == " a"


def test_what_was_shown_does_not_become_doubtful() -> None:
    generation = unsure(("return", -0.1), (" a", -2.0), ("\n", None))
    sure = CompletionPolicy(block=0, min_confidence=0.3)
    assert text_at(generation, place(), sure) == "return a"
    assert text_at(generation, place("return"), sure) == " a"


def test_rendering_changes_nothing() -> None:
    generation = generated("return", " a", "\n", "    ")
    before = repr(generation)
    first = render(generation, place("ret"), LINES)
    assert render(generation, place("ret"), LINES) == first
    assert repr(generation) == before
