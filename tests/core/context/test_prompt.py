"""The prompt: its order, its markers, and that a key typed only appends."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import (
    Markers,
    Snapshot,
    build,
    choose_anew,
    encode,
    find_markers,
)
from budgetai_core.context.window import WindowLimits

FULL = Markers(repository=1, file=2, prefix=3, suffix=4, middle=5, end=6)
SEPARATOR_ONLY = Markers(repository=1, file=2, prefix=None, suffix=None, middle=None, end=6)
NOTHING = Markers(repository=None, file=None, prefix=None, suffix=None, middle=None, end=None)


def spell(text: str) -> list[int]:
    """A tokenizer of one token per character, above the markers."""
    return [ord(char) + 100 for char in text]


def read(ids: list[int]) -> str:
    return "".join(f"<{i}>" if i < 100 else chr(i - 100) for i in ids)


def shown(text: str, markers: Markers, index: Index | None = None) -> str:
    cursor = text.index("▮")
    place = Snapshot("shop", "src/cart.py", text.replace("▮", ""), cursor)
    head, before = encode(build(place, index), markers, spell)
    return read(head + before)


def test_order_with_fill_in_the_middle() -> None:
    assert shown("a = 1\nb▮\nc = 3\n", FULL) == (
        "<1>shop\n<2>src/cart.py\n<3><4>\nc = 3\n<5>a = 1\nb"
    )


def test_order_with_a_separator_only() -> None:
    assert shown("a▮\nc\n", SEPARATOR_ONLY) == "<1>shop\n<2>src/cart.py\n<2>\nc\n<2>a"


def test_without_markers_the_text_before_is_all() -> None:
    assert shown("a▮\nc\n", NOTHING) == "a"


def test_a_chunk_of_another_file_comes_first() -> None:
    index = Index([("src/price.py", "def total_price(items):\n    return 0\n")])
    text = "import price\n" * 16 + "total_price\n▮"
    assert "<2>src/price.py\ndef total_price(items):\n<2>src/cart.py" in shown(
        text + "\n" + "total_price()", FULL, index
    )


def test_the_own_definitions_are_not_repeated() -> None:
    own = "def total_price(items):\n    return 0\n"
    index = Index([("src/cart.py", own)])
    assert "<2>src/cart.py\n<3>" in shown(own + "▮\ntotal_price()\n", FULL, index)


def test_a_typed_key_only_appends() -> None:
    head, before = encode(build(Snapshot("r", "a.py", "x = 1\n\ny = 2\n", 6)), FULL, spell)
    head2, before2 = encode(build(Snapshot("r", "a.py", "x = 1\nz\ny = 2\n", 7)), FULL, spell)
    assert head2 == head
    assert before2 == before + spell("z")


def test_marker_names_in_a_file_are_text() -> None:
    assert "<|fim_middle|>" in shown("s = '<|fim_middle|>'▮", FULL)


def test_markers_are_found_by_name_and_metadata_comes_first() -> None:
    names = {"<|fim_prefix|>": 11, "<|fim_suffix|>": 12, "<|fim_middle|>": 13, "<file_sep>": 14}
    by_name = find_markers(names.get, {"middle": 99})
    assert (by_name.prefix, by_name.suffix, by_name.middle, by_name.file) == (11, 12, 99, 14)
    assert by_name.repository is None


@given(st.text(max_size=300), st.integers(-5, 400), st.sampled_from(["a.py", "b.rs", "c", "d.tsx"]))
def test_never_raises(text: str, cursor: int, path: str) -> None:
    index = Index([("other.py", text), (path, text)])
    for markers in (FULL, SEPARATOR_ONLY, NOTHING):
        encode(build(Snapshot("r", path, text, cursor), index), markers, spell)


def test_a_cursor_that_moves_up_by_a_few_lines_keeps_what_stands_in_front() -> None:
    text = "".join(f"line_{n} = value({n})\n" for n in range(100))
    at = [text.index(f"line_{n} ") for n in (52, 50, 30)]
    first, second, far = (Snapshot("r", "a.py", text, cursor) for cursor in at)
    shown = build(first)
    moved = build(second, last=shown)
    assert moved.after == shown.after
    assert moved.before == build(second).before
    assert build(far, last=shown) == build(far)
    assert build(Snapshot("r", "b.py", text, at[1]), last=shown).path == "b.py"


ABOVE = """\
def test_open_keeps_its_name():
    service = make_service("open")
    assert service.name == "open"
"""
BETWEEN = "".join(f"value_{number} = {number}\n" for number in range(40))
LIMITS = WindowLimits(before=240, after=1, chunks=300, step=1)


def typing(line: str, above: str = ABOVE) -> Snapshot:
    text = above + BETWEEN + "def test_shut_keeps_its_name():\n" + line
    return Snapshot("r", "a.py", text, len(text))


def test_chunks_for_the_next_line_show_what_goes_on_from_lines_like_the_one_typed() -> None:
    first = build(typing(""), Index(), LIMITS)
    last = replace(first, chunks=(), chosen_at=0)
    anew = choose_anew(typing('    service = make_service("sh'), Index(), LIMITS, last)
    assert anew and 'assert service.name == "open"' in anew.chunks[0].text
    assert anew.chosen_at == anew_line(typing(""))
    # The next line shows them, and begins as they do.
    following = typing('    service = make_service("shut")\n    ')
    assert build(following, Index(), LIMITS, anew).chunks == anew.chunks


def anew_line(place: Snapshot) -> int:
    return place.text.count("\n")


def test_chunks_that_are_shown_or_hardly_alike_are_not_worth_an_evaluation() -> None:
    begun = '    service = make_service("sh'
    shown = build(typing(begun), Index(), LIMITS)
    assert shown.chunks
    assert choose_anew(typing(begun), Index(), LIMITS, shown) is None
    nothing = replace(shown, chunks=())
    far = ABOVE.replace("make_service", "find_or_make_one_service_of")
    assert choose_anew(typing(begun, far), Index(), LIMITS, nothing) is None
    assert choose_anew(typing(begun), Index(), replace(LIMITS, chunks=0), nothing) is None
