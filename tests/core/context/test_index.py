"""The index in memory: what it knows follows each change of a file."""

import pytest

from budgetai_core.context.index import Index
from budgetai_core.context.symbols import Definition, FileSymbols

CART = "from shop.price import total\n\n\ndef checkout(items):\n    return total(items)\n"
PRICE = "def total(items):\n    return sum(items)\n"


def shop() -> Index:
    return Index([("shop/cart.py", CART), ("shop/price.py", PRICE)])


def test_who_defines_what() -> None:
    index = shop()
    assert index.paths_defining("total") == {"shop/price.py"}
    assert [definition.name for definition in index.of_path("shop/cart.py")] == ["checkout"]
    assert [imported.names for imported in index.facts("shop/cart.py").imports] == [("total",)]
    assert index.text("shop/price.py") == PRICE
    assert len(index) == 2


def test_a_change_replaces_what_was_known() -> None:
    index = shop()
    index.update("shop/price.py", "def grand_total(items):\n    return sum(items)\n")
    assert index.paths_defining("total") == set()
    assert index.paths_defining("grand_total") == {"shop/price.py"}
    words = {"grand", "items"}
    assert [block.path for _, block in index.windows.search(words, 1)] == ["shop/price.py"]


def test_a_file_that_goes_leaves_nothing() -> None:
    index = shop()
    index.remove("shop/price.py")
    index.remove("shop/price.py")
    assert index.paths_defining("total") == set()
    assert (index.text("shop/price.py"), index.facts("shop/price.py")) == ("", FileSymbols())
    assert "shop/price.py" not in index
    assert {block.path for _, block in index.windows.search({"total"}, 9)} == {"shop/cart.py"}


def test_imports_follow_files_that_come_and_go() -> None:
    index = Index([("shop/cart.py", CART)])
    assert index.imports("shop/cart.py") == ()
    index.update("shop/price.py", PRICE)
    assert index.imports("shop/cart.py") == ("shop/price.py",)
    index.update("shop/cart.py", PRICE)
    assert index.imports("shop/cart.py") == ()
    index.update("shop/cart.py", CART)
    index.remove("shop/price.py")
    assert index.imports("shop/cart.py") == ()
    assert index.imports("nowhere.py") == ()


def test_facts_that_are_known_are_taken_as_they_are() -> None:
    index = Index()
    index.update("a.py", PRICE, FileSymbols((Definition("known", 0, "def known()"),)))
    assert index.paths_defining("known") == {"a.py"}
    assert index.paths_defining("total") == set()


def test_what_is_handed_out_is_the_callers() -> None:
    index = shop()
    index.paths_defining("total").clear()
    assert index.paths_defining("total") == {"shop/price.py"}
    for path in index.paths:
        index.remove(path)
    assert len(index) == 0


def test_a_place_that_is_edited_grows_line_by_line_and_the_newest_comes_first() -> None:
    index = Index()
    for path, line in (("a.py", 10), ("b.py", 3), ("a.py", 12), ("a.py", 8), ("a.py", 400)):
        index.edited(path, line)
    assert index.recent == (("a.py", 400, 400), ("a.py", 8, 12), ("b.py", 3, 3))


@pytest.mark.parametrize(
    ("line", "by", "places"),
    [
        # Enter at the end of line 199, three lines pasted there, and two lines put in above all.
        (200, 1, [(100, 102), (201, 203), (401, 401)]),
        (202, 3, [(100, 102), (203, 205), (403, 403)]),
        (1, 2, [(102, 104), (202, 204), (402, 402)]),
        # In the middle of a place: it grows.
        (202, 1, [(100, 102), (200, 203), (401, 401)]),
        # Five lines go, in front of a place, with a part of it, with all of it.
        (150, -5, [(100, 102), (195, 197), (395, 395)]),
        (198, -5, [(100, 102), (198, 198), (395, 395)]),
        (101, -5, [(100, 101), (195, 197), (395, 395)]),
        (450, 7, [(100, 102), (200, 202), (400, 400)]),
        (101, 0, [(100, 102), (200, 202), (400, 400)]),
    ],
)
def test_places_move_with_the_lines_above_them(
    line: int, by: int, places: list[tuple[int, int]]
) -> None:
    index = Index()
    for edited in (400, 200, 202, 100, 102):
        index.edited("a.py", edited)
    index.edited("b.py", 300)
    index.lines_moved("a.py", line, by)
    assert sorted(index.recent) == [*(("a.py", *place) for place in places), ("b.py", 300, 300)]


def test_places_that_are_edited_are_bounded_in_lines_and_in_number() -> None:
    index = Index()
    for line in range(10_000):
        index.edited("a.py", line)
    assert len(index.recent) == 24
    assert max(place.last - place.first for place in index.recent) < 100
    assert index.recent[0].last == 9_999
