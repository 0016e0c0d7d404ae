"""Blocks that resemble a text: what is found, and that changes are followed."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetai_core.context.bm25 import BlockIndex, blocks, words_of

CART = "def add_to_cart(cart, item):\n    cart.items.append(item)\n    cart.total += item.price\n"
MAIL = "def send_mail(address, subject):\n    server.deliver(address, subject)\n"


def best(windows: BlockIndex, text: str) -> list[str]:
    return [block.path for _, block in windows.search(words_of(text), 5)]


@pytest.fixture
def windows() -> BlockIndex:
    blocks_found = BlockIndex()
    blocks_found.update("cart.py", CART)
    blocks_found.update("mail.py", MAIL)
    return blocks_found


def test_names_and_their_parts_are_words() -> None:
    assert words_of("HTTPServer.list_tools(x1)") >= {
        "httpserver",
        "http",
        "server",
        "list",
        "tools",
    }


def test_the_block_that_shares_rare_words_comes_first(windows: BlockIndex) -> None:
    assert best(windows, "basket.total -= item.price")[0] == "cart.py"
    assert best(windows, "deliver(subject)")[0] == "mail.py"


def test_paths_that_are_not_wanted_are_left_out(windows: BlockIndex) -> None:
    blocks_found = windows.search(words_of(CART + MAIL), 5, lambda path: path != "cart.py")
    assert [block.path for _, block in blocks_found] == ["mail.py"]


def test_a_changed_file_is_found_by_its_new_words_alone(windows: BlockIndex) -> None:
    windows.update("cart.py", "def ship(parcel):\n    parcel.leave()\n")
    assert best(windows, "item.price") == []
    assert best(windows, "parcel") == ["cart.py"]
    assert len(windows) == 2


def test_a_removed_file_is_not_found(windows: BlockIndex) -> None:
    windows.remove("cart.py")
    windows.remove("never there")
    assert best(windows, "item.price") == []


def test_clearing_away_leaves_what_lives(windows: BlockIndex) -> None:
    for number in range(3000):
        windows.update("noise.py", f"noise_{number} = {number}\n")
    assert best(windows, "item.price") == ["cart.py"]
    assert best(windows, "noise_2999")[:1] == ["noise.py"]
    assert len(windows._block_paths) < 2100


def test_windows_travel_between_processes(windows: BlockIndex) -> None:
    assert best(pickle.loads(pickle.dumps(windows)), "item.price") == ["cart.py"]


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_can_be_taken_in_and_asked_for(text: str, other: str) -> None:
    windows = BlockIndex()
    windows.update("a", text)
    windows.update("b", other)
    for _, block in windows.search(words_of(text), 3):
        assert block.path in "ab"


@given(st.lists(st.sampled_from(["", "x = 1", "    y"]), max_size=60))
def test_blocks_cover_the_lines_in_order(lines: list[str]) -> None:
    end = 0
    for first, last in blocks(lines):
        assert first == end < last <= len(lines)
        end = last
    assert not any(line.strip() for line in lines[end:])
