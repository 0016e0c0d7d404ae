"""Windows tile any text, and what each is cut behind is what its kind says."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.context.tree import nodes
from budgetai_core.context.window import WindowLimits
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.hyperparameters.span_kinds import KINDS, LINES, NODES, NOTHING
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.node_ends import NodeEnds
from budgetai_training.samples.windows import Window, windows

PYTHON = """
def total(items, rate):
    # Größe
    result = sum(item.price for item in items)
    if result > limit(rate, "é"):
        result -= discount(result, rate)
        log(result)
    return {"sum": result, "tax": tax(result)}
"""
LINE = st.sampled_from([*PYTHON.splitlines(), "", "  ", "x" * 300, "\ud800é", "}", ")", "\tif a {"])
SOURCES = st.builds(
    lambda lines, newline, end: newline.join(lines) + end,
    st.lists(LINE, min_size=1, max_size=60),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n"]),
)
PATHS = st.sampled_from(["a.py", "a.go", "a.ts", "a.rb", "notes"])


def cut(text: str, path: str = "a.py", seed: int = 0, **mixture: Any) -> list[Window]:
    outline = NodeEnds(text, language_of(path))
    return list(windows(text, outline, random.Random(seed), Mixture(**mixture)))


def only(kind: str) -> dict[str, Any]:
    return {**dict.fromkeys(KINDS, 0.0), kind: 1.0}


@settings(max_examples=60, deadline=None)
@given(SOURCES, PATHS, st.integers(0, 9), st.integers(80, 500))
def test_windows_tile_any_text(text: str, path: str, seed: int, before: int) -> None:
    cut_windows = cut(text, path, seed, before=before)
    assert [0, *(w.end for w in cut_windows)] == [*(w.start for w in cut_windows), len(text)]
    for window in cut_windows:
        assert 0 < window.end - window.start <= before
        assert 0 <= window.answer <= window.end - window.start
        assert (window.answer == 0) == (window.kind == NOTHING)


@settings(max_examples=30, deadline=None)
@given(SOURCES, st.integers(0, 9))
def test_a_sample_is_what_the_server_sends_at_its_end(text: str, seed: int) -> None:
    files = [CorpusFile("r", "a.py", text), CorpusFile("r", "b.py", "def tax(x):\n    pass\n")]
    indexes = {"r": Index((f.path, f.text) for f in files)}
    # All of AFTER is shown, or none, so that the limit is known.
    mixture = Mixture(before=200, after=0, chunk_share=1, no_after_share=0)
    for sample in epoch(files[:1], indexes, str(seed), mixture):
        before = sample.prompt.before
        places = [n for n in range(len(text)) if text.startswith(before, n)]
        limits = WindowLimits(200, 0, mixture.chunk_size if sample.prompt.chunks else 0)
        snapshots = [Snapshot("r", "a.py", text, n + len(before), n) for n in places]
        assert any(build(s, indexes["r"], limits) == sample.prompt for s in snapshots)


@pytest.mark.parametrize("kind", NODES)
def test_a_window_is_cut_right_behind_a_node(kind: str) -> None:
    text = PYTHON * 40
    ends = {node.end for node in nodes(text, language_of("a.py"))}
    *cut_windows, last = cut(text, before=600, **only(kind))
    assert {w.kind for w in cut_windows} == {kind}
    assert all(w.end in ends for w in cut_windows)
    assert last.kind == "newline"


ANSWERS = [
    ("a.py", "x = f(a, b + cc)\n", "arguments", {"(a, b + cc)"}),
    ("a.py", "x = f(a, b + cc)\n", "expression", {"f(a, b + cc)", "b + cc"}),
    ("a.py", "if a:\n    return 1\n", "body", {"return 1"}),
    ("a.ts", "const a = f(x1, y);\n", "statement", {"const a = f(x1, y);"}),
    ("a.ts", "function f() { g(x1) }\n", "body", {"{ g(x1) }"}),
    ("a.go", "package p\nfunc f() { x := g(ab) }\n", "statement", {"x := g(ab)"}),
    ("a.go", "package p\nfunc f() { x := g(ab) }\n", "body", {"{ x := g(ab) }"}),
    ("a.rs", "fn f() { let x = g(ab); }\n", "statement", {"let x = g(ab);"}),
    ("a.java", "class A { void f() { int x = g(ab); } }\n", "statement", {"int x = g(ab);"}),
    ("a.java", "class A { void f() { int x = g(ab); } }\n", "arguments", {"(ab)"}),
    ("a.c", "int f() { int x = g(ab); }\n", "expression", {"g(ab)"}),
    ("a.cpp", "int f() { return g(ab); }\n", "statement", {"return g(ab);"}),
    ("a.swift", "x = f(a, b)\n", "arguments", {"(a, b)"}),
]


@pytest.mark.parametrize(("path", "text", "kind", "expected"), ANSWERS)
def test_the_things_of_a_language(path: str, text: str, kind: str, expected: set[str]) -> None:
    things = NodeEnds(text, language_of(path)).of_kind(kind)
    assert {text[thing.start : thing.end] for thing in things} == expected


def test_what_is_cut_out_of_lines() -> None:
    text = PYTHON * 40
    for kind in LINES:
        for window in cut(text, before=500, **only(kind))[:-1]:
            answer, after = text[window.end - window.answer : window.end], text[window.end :]
            assert window.kind == kind
            assert answer.endswith("\n") == (kind == "newline")
            # Behind a whole line an empty one may follow.
            assert kind == "newline" or after.startswith("\n") == (kind != "inside")
            assert not answer.startswith(" ") or kind in ("end", "inside")


def test_nothing_is_missing_where_a_thing_is_complete() -> None:
    for path in ("a.py", "a.rb"):
        text = PYTHON * 40
        *cut_windows, _ = cut(text, path, before=500, **only(NOTHING))
        assert {(w.kind, w.answer) for w in cut_windows} == {(NOTHING, 0)}
        assert not any(text[: w.end].endswith(("(", ",", ":", "=", "{", " ")) for w in cut_windows)


def test_a_head_without_its_body_is_not_complete() -> None:
    text = "def total(items)\n  sum = items.sum\n  sum + 1\nend\n" * 40
    for before in range(200, 260):
        *cut_windows, _ = cut(text, "a.rb", before=before, **only(NOTHING))
        assert cut_windows
        assert not any(text[: w.end].endswith("(items)") for w in cut_windows)


def test_without_a_grammar_nodes_become_lines() -> None:
    assert {w.kind for w in cut(PYTHON * 40, "a.json", nothing=0)} <= set(LINES)


def test_a_mix_of_kinds_follows_its_weights() -> None:
    kinds = Counter(w.kind for seed in range(20) for w in cut(PYTHON * 100, seed=seed, before=400))
    share = {kind: count / kinds.total() for kind, count in kinds.items()}
    assert 0.4 < sum(share[kind] for kind in LINES) < 0.6
    assert 0.3 < sum(share[kind] for kind in NODES) < 0.5
    assert 0.05 < share[NOTHING] < 0.15
