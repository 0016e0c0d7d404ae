"""Masked spans to evaluate on: balanced, and nothing that is shown depends on the answer."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Snapshot, build
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.samples.masked_spans import SPAN_KINDS, span_samples

TEXT = "".join(
    f"def rate_{n}(items, limit):\n"
    f"    total = sum(item.price for item in items)\n"
    f"    if total > helper_{n}(limit, {n}):\n"
    f"        return discount(total, rate={n})\n"
    f"    return total - {n}\n\n\n"
    for n in range(40)
)
HELPERS = "".join(f"def helper_{n}(limit, number):\n    pass\n" for n in range(40))
FILES = [CorpusFile("r", f"pkg/{name}.py", TEXT.replace("rate_", name)) for name in "abcd"]
INDEX = {"r": Index([("helpers.py", HELPERS), *((f.path, f.text) for f in FILES[:2])])}


def test_the_prompt_is_the_servers_at_the_hole() -> None:
    for sample in span_samples(FILES, INDEX, "0", 60):
        before, after = sample.prompt.before, sample.prompt.after
        text = sample.file.text
        assert 0 < sample.answer <= len(before)
        head, answer = before[: -sample.answer], before[-sample.answer :]
        ends = [
            n for n in range(len(text)) if text.startswith(after, n) and text.endswith(before, 0, n)
        ]
        spans = [n - len(answer) for n in ends]
        shown = [
            Snapshot("r", sample.file.path, text[:n] + text[n + len(answer) :], n) for n in spans
        ]
        prompts = [build(place, INDEX["r"]) for place in shown]
        assert replace(sample.prompt, before=head) in prompts


def test_a_chunk_of_the_file_itself_is_from_where_the_prompt_shows_nothing() -> None:
    own = 0
    for sample in span_samples(FILES, INDEX, "0", 200):
        # The answer is between the two, and in neither part.
        head, _, tail = sample.file.text.partition(sample.prompt.before + sample.prompt.after)
        for chunk in sample.prompt.chunks:
            if chunk.path == sample.file.path:
                own += 1
                assert all(line in head + tail for line in chunk.text.splitlines())
    assert own


def test_what_is_shown_does_not_depend_on_the_answer() -> None:
    """The only use of a helper is the answer: its signature must not be shown."""
    text = "".join(f"plain_{n} = {n}\n" for n in range(40)) + "value = helper_7(1, 2)\n"
    text += "".join(f"other_{n} = {n}\n" for n in range(40))
    low = text.index("helper_7")
    file = CorpusFile("r", "x.py", text, fresh=((low, low + len("helper_7(1, 2)")),))
    drawn_samples = span_samples([file], INDEX, "0", 50)
    whole = [s for s in drawn_samples if s.prompt.before.endswith("value = helper_7(1, 2)")]
    assert whole
    assert not any(s.prompt.chunks for s in whole if s.answer == len("helper_7(1, 2)"))


def test_answers_lie_in_fresh_ranges() -> None:
    ranges = ((700, 900), (100, 260))
    file = replace(FILES[0], fresh=ranges)
    allowed = [file.text[low:high] for low, high in ranges]
    drawn_samples = span_samples([file], INDEX, "0", 500)
    assert {s.kind for s in drawn_samples} >= {"line", "end", "inside", "expression"}
    for sample in drawn_samples:
        answer = sample.prompt.before[-sample.answer :]
        assert any(answer in part for part in allowed)
    assert not span_samples([replace(file, fresh=())], INDEX, "0", 10)


def test_every_beginning_is_balanced_over_kinds_and_files() -> None:
    drawn_samples = span_samples(FILES, INDEX, "0", 112)
    assert len(drawn_samples) == 112
    for count in (14, 28, 70, 112):
        kinds = Counter(s.kind for s in drawn_samples[:count])
        files = Counter(s.key for s in drawn_samples[:count])
        assert set(kinds) == set(SPAN_KINDS)
        assert len(files) == len(FILES)
        assert max(kinds.values()) - min(kinds.values()) <= 1
        assert max(files.values()) - min(files.values()) <= 1
    assert span_samples(FILES, INDEX, "0", 40) == drawn_samples[:40]
    assert span_samples(FILES, INDEX, "1", 40) != drawn_samples[:40]


@settings(max_examples=40, deadline=None)
@given(st.text("ab(){}:,= \n\r\té.\ud800", max_size=300), st.sampled_from(["a.py", "a.c", "a.lua"]))
def test_any_text_gives_holes_or_none(text: str, path: str) -> None:
    for sample in span_samples([CorpusFile("r", path, text)], INDEX, "0", 20):
        assert 0 < sample.answer <= len(sample.prompt.before)
        assert sample.prompt.before + sample.prompt.after in text
