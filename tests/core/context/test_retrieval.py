"""Which lines of other files are shown, from which source, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.context.retrieval import SOURCES, Chunk, Query, retrieve
from budgetai_core.context.window import WindowLimits

PRICE = '''class Price(Money):
    """An amount."""

    def with_tax(self, rate):
        return self.amount * (1 + rate)

    def rounded(self, digits):
        return round(self.amount, digits)
'''
CART = """from shop.price import Price

def total(cart):
    result = Price(0)
    for item in cart:
        result.add(item.price)
    return result
"""
ORDER = """from shop.price import Price

def order_total(order):
    result = Price(0)
    for item in order:
        result.add(item.price)
    order.close(result)
"""


@pytest.fixture
def index() -> Index:
    files = {"shop/price.py": PRICE, "shop/cart.py": CART, "shop/order.py": ORDER}
    files["tests/test_cart.py"] = "def test_total_of_nothing():\n    assert total([]) == 0\n"
    return Index(files.items())


def found(index: Index, source: str, before: str, path: str = "shop/new.py") -> dict[str, str]:
    # The document goes on as the index knows it.
    query = Query(path, before, "", before + index.text(path))
    return {chunk.path: chunk.text for chunk in retrieve(index, query, 2000, [source])}


def test_a_named_class_is_shown_by_its_signature_and_its_members(index: Index) -> None:
    shown = found(index, "names", "price = Price(3)\n")
    assert list(shown) == ["shop/price.py"]
    assert [line.split("(")[0] for line in shown["shop/price.py"].splitlines()] == [
        "class Price",
        "    def with_tax",
        "    def rounded",
    ]


def test_what_the_file_defines_itself_is_not_looked_for(index: Index) -> None:
    assert "shop/cart.py" not in found(index, "names", "total(cart)\n", "shop/cart.py")


def test_a_name_of_many_files_says_nothing_unless_one_is_imported(index: Index) -> None:
    for number in range(5):
        index.update(f"other/price{number}.py", "class Price:\n    pass\n")
    assert found(index, "names", "price = Price(3)\n") == {}
    assert list(found(index, "names", "price = Price(3)\n", "shop/cart.py")) == ["shop/price.py"]


def test_imports_that_the_window_does_not_show(index: Index) -> None:
    shown = found(index, "imports", "    return result\n", "shop/cart.py")
    assert shown == {"shop/cart.py": "from shop.price import Price\n"}
    assert found(index, "imports", "from shop.price import Price\n", "shop/cart.py") == {}


def test_an_import_over_several_lines_is_one_line_and_not_shown_twice(index: Index) -> None:
    text = "from shop.price import (\n    Price,\n    Money,\n)\n\nprint()\n"
    index.update("shop/cart.py", text)
    shown = found(index, "imports", "print()\n", "shop/cart.py")
    assert shown == {"shop/cart.py": "from shop.price import ( Price, Money, )\n"}
    assert found(index, "imports", text, "shop/cart.py") == {}


def test_the_test_of_a_file_is_its_sibling(index: Index) -> None:
    shown = found(index, "siblings", "x", "shop/cart.py")
    assert list(shown) == ["tests/test_cart.py"]
    assert shown["tests/test_cart.py"].startswith("def test_total_of_nothing()")


def test_blocks_like_the_text_with_what_follows(index: Index) -> None:
    begun = "def bill_total(bill):\n    result = Price(0)\n    for item in bill:\n"
    shown = found(index, "similar", begun)
    assert "result.add(item.price)" in shown["shop/order.py"]


def test_a_copy_of_the_text_at_the_cursor_is_not_shown(index: Index) -> None:
    assert "shop/order.py" not in found(index, "similar", ORDER)


def cases(count: int, first: int = 0) -> str:
    return "".join(
        f"def test_{n}() -> None:\n    shop = Shop({n})\n    shop.sell(number={n})\n\n"
        for n in range(first, first + count)
    )


def continuations(index: Index, text: str, cursor: int, limits: WindowLimits) -> list[Chunk]:
    snapshot = Snapshot("shop", "shop/cases.py", text, cursor)
    return list(build(snapshot, index, limits, sources=["continuations"]).chunks)


def test_what_follows_a_line_like_the_one_above_in_the_same_file_out_of_sight() -> None:
    above, below = cases(40), "# The rest.\n" * 30
    text = above + "def other():\n    pass\n" * 20 + "def test_new() -> None:\n    shop = Shop(7)\n"
    (chunk,) = continuations(
        Index(), text + below, len(text), WindowLimits(before=300, after=200, chunks=200)
    )
    assert chunk.path == "shop/cases.py"
    assert chunk.text.startswith("    shop = Shop(7)\n    shop.sell(number=7)")


def test_a_line_that_is_begun_is_compared_with_the_beginnings_of_others() -> None:
    total = "    total = count_all(shop, since=None, warn=True)\n"
    above = "    counter.add(amount=1)\n" * 20 + total + "def other():\n    pass\n" * 20
    text = above + "def new(shop):\n    total = count_"
    limits = WindowLimits(before=300, after=200, chunks=100)
    (chunk,) = continuations(Index(), text, len(text), limits)
    assert chunk.text.startswith(total)


@pytest.mark.parametrize("after", range(1, 12))
def test_the_line_of_the_cursor_continues_nothing(after: int) -> None:
    """Not even where little of it is shown behind the cursor, as to a model that learns."""
    text = cases(9) + "answer = shop.sell(everything)\n" + cases(9, 9)
    cursor = text.index("everything")
    for place in (cursor, cursor + len("everything")):
        shown = continuations(Index(), text, place, WindowLimits(200, after, chunks=900))
        assert "answer" not in "".join(chunk.text for chunk in shown)


def test_a_long_line_is_compared_by_its_beginning() -> None:
    rows = [f"INSERT INTO goods (id, name, price, since) VALUES {n}, {'ab' * 80}" for n in (1, 2)]
    text = f"{rows[0]}{'x' * 900};\nCOMMIT;\n" + "-- More.\n" * 90 + f"{rows[1]}{'y' * 40};\n"
    limits = WindowLimits(before=500, chunks=2000)
    (chunk,) = continuations(Index(), text, len(text), limits)
    assert "COMMIT" in chunk.text


def test_a_huge_file_is_not_searched_for_its_edited_places(index: Index) -> None:
    query = "def test_new() -> None:\n    shop = Shop(9)\n"
    index.edited("shop/other.py", 1)
    index.update("shop/other.py", cases(3))
    assert found(index, "continuations", query)
    index.update("shop/other.py", cases(3) + "#" * 400_000)
    assert found(index, "continuations", query) == {}


def test_nothing_is_a_continuation_that_the_prompt_shows_around_the_place() -> None:
    text = cases(3)
    cursor = text.rindex("    shop.sell")
    assert continuations(Index(), text, cursor, WindowLimits(chunks=800)) == []


@given(st.integers(0, 60), st.integers(0, 3), st.integers(60, 900), st.integers(0, 900))
def test_a_line_that_is_to_be_guessed_continues_nothing(
    number: int, line: int, before: int, after: int
) -> None:
    """The index has the file with the line, the prompt is made from it without."""
    text = cases(60)
    lines = text.splitlines(keepends=True)
    place = min(4 * number + line, len(lines) - 1)
    missing = f"    missing = Shop({number})\n"
    without = "".join(lines)
    cursor = len("".join(lines[:place]))
    index = Index([("shop/cases.py", without[:cursor] + missing + without[cursor:])])
    limits = WindowLimits(before=before, after=after, chunks=400)
    shown = continuations(index, without, cursor, limits)
    assert "missing" not in "".join(chunk.text for chunk in shown)


def test_what_follows_a_line_like_the_one_above_where_someone_was_at_work(index: Index) -> None:
    index.update("shop/other.py", "# Said.\n" * 40 + cases(3))
    query = "def test_new() -> None:\n    shop = Shop(9)\n"
    assert found(index, "continuations", query) == {}
    for line in range(40, 52):
        index.edited("shop/other.py", line)
    shown = found(index, "continuations", query)
    assert "    shop = Shop(0)\n    shop.sell(number=0)" in shown["shop/other.py"]


def test_where_nothing_is_shown_behind_the_place_what_is_behind_it_is_not_known() -> None:
    text = cases(1) + "def other():\n    pass\n" * 40
    cursor = text.index("    shop.sell")
    behind = text + cases(20, 20)
    limits = WindowLimits(before=200, after=0, chunks=400)
    assert continuations(Index(), behind, cursor, limits) == []


@pytest.mark.parametrize("budget", [0, 30, 100, 400, 4000])
def test_no_more_than_the_budget(index: Index, budget: int) -> None:
    shown = retrieve(index, Query("shop/new.py", CART, "", CART), budget)
    assert sum(len(chunk.path) + 1 + len(chunk.text) for chunk in shown) <= budget
    assert [chunk.path for chunk in shown] == sorted(chunk.path for chunk in shown)


def test_typing_on_leaves_the_chunks_and_another_place_changes_them(index: Index) -> None:
    def at(text: str, last: object = None) -> tuple[Chunk, ...]:
        snapshot = Snapshot("shop", "shop/new.py", text, len(text))
        prompts.append(
            build(snapshot, index, WindowLimits(chunks=800), prompts[-1] if last else None)
        )
        chunks: tuple[Chunk, ...] = prompts[-1].chunks
        return chunks

    prompts = []  # type: ignore[var-annotated]
    first = at("price = Price(3)\n")
    assert first
    assert at("price = Price(3)\norder_total(", last=True) == first
    far = "price = Price(3)\n" + "\n" * 30 + "test_total_of_nothing("
    assert at(far, last=True) != first


def test_sources_can_be_left_out(index: Index) -> None:
    assert set(SOURCES) == {"continuations", "imports", "names", "siblings", "similar"}
    snapshot = Snapshot("shop", "shop/new.py", "Price", 5)
    assert build(snapshot, index, WindowLimits(chunks=800), sources=()).chunks == ()


@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 300), st.integers(0, 900))
def test_no_text_can_make_it_raise(one: str, other: str, cursor: int, budget: int) -> None:
    index = Index([("a.py", one), ("b.js", other), ("test_a.py", other)])
    for path in ("a.py", "b.js", "none", "\x00"):
        prompt = build(Snapshot("r", path, one, cursor), index, WindowLimits(chunks=budget))
        assert sum(len(chunk.text) for chunk in prompt.chunks) <= budget


def test_a_line_that_is_to_be_guessed_is_not_shown() -> None:
    imported = "from shop.price import total_price, discount\n"
    text = f"import os\n{imported}\n\ndef f(x):\n    return total_price(x)\n"
    index = Index([("cart.py", text), ("shop/price.py", "def total_price(x): ...\n")])
    snapshot = Snapshot("shop", "cart.py", text.replace(imported, "\n"), len("import os\n"))
    assert "cart.py" not in {chunk.path for chunk in build(snapshot, index).chunks}


def test_a_file_that_the_index_does_not_know_has_imports_too(index: Index) -> None:
    text = "from shop.price import Price\n" + "\n" * 30 + "result = "
    query = Query("shop/unsaved.py", "result = ", "", text)
    imports = retrieve(index, query, 2000, ["imports"])
    assert imports == (Chunk("shop/unsaved.py", "from shop.price import Price\n"),)
    assert [chunk.path for chunk in retrieve(index, query, 2000, ["names"])] == ["shop/price.py"]


def test_what_is_out_of_sight_is_not_shown_around_the_place(index: Index) -> None:
    text = "from shop.price import Price\n\nfirst = 1\nsecond = 2\n"
    start = text.index("second")
    snapshot = Snapshot("shop", "shop/new.py", text, len(text), start)
    prompt = build(snapshot, index, WindowLimits(chunks=800), sources=["imports"])
    assert prompt.before == "second = 2\n"
    assert [chunk.text for chunk in prompt.chunks] == ["from shop.price import Price\n"]
