"""Token healing: what is taken back, and which tokens may follow."""

from hypothesis import given
from hypothesis import strategies as st

from budgetai_core.models.token_healing import Vocabulary

PIECES = [b"", b"get", b"_", b"na", b"name", b"_name", b" ", b"   ", b"    ", b" return", b"\n"]
PIECES += [bytes([i]) for i in range(256)]
VOCABULARY = Vocabulary(PIECES)


def test_the_last_token_is_taken_back() -> None:
    assert VOCABULARY.take_back([10, 8]) == ([10], b"    ")


def test_a_word_is_taken_back_whole() -> None:
    assert VOCABULARY.take_back([10, 1, 2, 3]) == ([10], b"get_na")


def test_a_control_token_stays() -> None:
    assert VOCABULARY.take_back([0]) == ([0], b"")
    assert VOCABULARY.take_back([0, 1]) == ([0], b"get")


def test_tokens_that_go_on_and_tokens_on_the_way() -> None:
    words = {PIECES[i] for i in VOCABULARY.continuing(b"_na")}
    assert words == {b"_name", b"_"}


def test_inside_a_multi_byte_character() -> None:
    party = "🎉".encode()
    assert {PIECES[i] for i in VOCABULARY.continuing(party)} == {party[:1]}


@given(st.binary(min_size=1, max_size=6))
def test_there_is_always_a_way_and_it_agrees_with_trial(rest: bytes) -> None:
    fits = {i for i, p in enumerate(PIECES) if p and (p.startswith(rest) or rest.startswith(p))}
    assert set(VOCABULARY.continuing(rest)) == fits
    assert fits
