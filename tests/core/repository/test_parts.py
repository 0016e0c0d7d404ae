"""Large files in parts, and what a prompt shows of the rest of one."""

from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_named
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.context.retrieval import SOURCES
from budgetai_core.repository.parts import LARGE_CHARACTERS, held_ranges, parts

BLOCK = """FUNCTION_BLOCK Lamp{n}
VAR_INPUT
    power{n} : REAL;
END_VAR
IF power{n} > 3.0 THEN
    level := Clip(0, power{n});
END_IF;
END_FUNCTION_BLOCK

"""
CLIP = "FUNCTION Clip : REAL\nVAR_INPUT\n    low : REAL;\nEND_VAR\nEND_FUNCTION\n\n"
TEXT = CLIP + "".join(BLOCK.replace("{n}", str(n)) for n in range(3000))
LANGUAGE = language_named("Structured Text")


def test_parts_are_all_of_a_file_and_begin_with_definitions() -> None:
    assert len(TEXT) > LARGE_CHARACTERS
    pieces = parts("a.st", TEXT, LANGUAGE)
    assert [piece.name for piece in pieces[:2]] == ["a.st#1", "a.st#2"]
    assert "".join(TEXT[piece.start : piece.end] for piece in pieces) == TEXT
    assert all(TEXT[piece.start :].startswith("FUNCTION") for piece in pieces)
    assert len(pieces) > 10
    assert not parts("a.st", TEXT[:LARGE_CHARACTERS], LANGUAGE)


def test_a_text_without_places_to_cut() -> None:
    for text in ("x" * 500_000, "x\n" * 250_000):
        pieces = parts("a.st", text, None)
        assert "".join(text[piece.start : piece.end] for piece in pieces) == text
        assert max(piece.end - piece.start for piece in pieces) < 40_000


def test_what_is_held_out_of_a_file() -> None:
    second = parts("a.st", TEXT, LANGUAGE)[1]
    assert held_ranges("a.st", TEXT, LANGUAGE, {"a.st#2"}) == ((second.start, second.end),)
    assert held_ranges("a.st", TEXT, LANGUAGE, {"a.st"}) == ((0, len(TEXT)),)
    assert held_ranges("b.py", "x = 1\n", None, {"b.py#2"}) == ()


def test_a_prompt_shows_other_lines_of_a_large_file() -> None:
    """But none that it shows already, and no definition of a smaller file's own."""
    index = Index()

    def shown(text: str, cursor: int) -> str:
        index.update("a.st", text, language=LANGUAGE)
        snapshot = Snapshot("r", "a.st", text, cursor, declared=LANGUAGE)
        prompt = build(snapshot, index, sources=set(SOURCES) - {"continuations"})
        return "".join(chunk.text for chunk in prompt.chunks)

    assert shown(TEXT, TEXT.index("power1500);")) == "FUNCTION Clip : REAL\n"
    assert not shown(TEXT, len(CLIP + BLOCK.replace("{n}", "0")))
    assert not shown(TEXT[:20_000], 15_000)
