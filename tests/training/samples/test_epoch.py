"""A pass is made of what the server sends, and each line is learned once in it."""

import random
from collections import Counter
from dataclasses import replace

from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.context.window import WindowLimits
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.samples.context_mixing import copying
from budgetai_training.samples.epoch import epoch, file_samples
from budgetai_training.samples.node_ends import NodeEnds
from budgetai_training.samples.sample import Sample

TEXT = "".join(f"def function_{n}(a, b):\n    return a + b * {n}\n\n\n" for n in range(300))
FILES = [
    CorpusFile("repo", "a.py", TEXT),
    CorpusFile("repo", "pkg/b.py", TEXT.replace("function", "other")),
]
INDEXES = {"repo": Index((f.path, f.text) for f in FILES)}
USER = "from a import function_7\n\n\n" + "".join(
    f"def use_{n}(c):\n    total = c + {n}\n    return total + function_{n}(c, total)\n\n\n"
    for n in range(200)
)
USED = [*FILES, CorpusFile("repo", "user.py", USER)]
USED_INDEXES = {"repo": Index((f.path, f.text) for f in USED)}


def samples(seed: int = 0, file: CorpusFile = FILES[0]) -> list[Sample]:
    outline = NodeEnds(file.text, language_of(file.path))
    return list(file_samples(file, INDEXES["repo"], outline, random.Random(seed), Mixture()))


def test_the_windows_of_a_pass_tile_the_file() -> None:
    for seed in range(5):
        assert "".join(sample.prompt.before for sample in samples(seed)) == TEXT


def test_what_follows_a_window_is_what_the_file_goes_on_with() -> None:
    offset = 0
    for sample in samples():
        offset += len(sample.prompt.before)
        assert TEXT.startswith(sample.prompt.after, offset)


def test_a_sample_is_the_prompt_of_the_server() -> None:
    offset = 0
    for sample in samples(file=USED[2]):
        end = offset + len(sample.prompt.before)
        place = Snapshot("repo", "user.py", USER, end, offset)
        offset = end
        # The end of AFTER is sticky, so its length tells the limit only roughly.
        shown = len(sample.prompt.after)
        limits = [
            WindowLimits(2400, size, Mixture().chunk_size) for size in range(shown, shown + 500)
        ]
        assert any(build(place, INDEXES["repo"], limit) == sample.prompt for limit in limits)


def test_the_end_is_learned_where_it_is_known() -> None:
    """Without a text after the cut, only the end of the file is an end."""
    shown_samples = epoch(FILES, INDEXES, "0", Mixture(no_after_share=0.5))
    hidden = [s for s in shown_samples if not s.prompt.after]
    assert {s.ends for s in hidden} == {True, False}
    assert all(s.ends == s.file.text.endswith(s.prompt.before) for s in hidden)
    assert all(s.ends for s in shown_samples if s.prompt.after)


def test_a_pass_is_drawn_from_the_seed_alone() -> None:
    assert epoch(FILES, INDEXES, "0/1") == epoch(FILES, INDEXES, "0/1")
    assert epoch(FILES, INDEXES, "0/1") != epoch(FILES, INDEXES, "0/2")


def test_a_file_is_shown_as_often_as_it_weighs() -> None:
    heavy = [replace(FILES[0], weight=2.0), replace(FILES[1], weight=0.0)]
    learned = Counter(s.key for s in epoch(heavy, INDEXES, "0") for _ in s.prompt.before)
    assert learned == {("repo", "a.py"): 2 * len(TEXT)}
    half = [replace(FILES[0], weight=0.5)]
    drawn = [epoch(half, INDEXES, str(n)) for n in range(40)]
    assert 8 < sum(bool(shown_samples) for shown_samples in drawn) < 32


def test_the_windows_of_a_file_do_not_depend_on_other_files() -> None:
    mixture = Mixture(chunk_share=0)
    alone = epoch(FILES[:1], INDEXES, "0", mixture)
    among = [s for s in epoch(FILES, INDEXES, "0", mixture) if s.file == FILES[0]]
    assert {s.prompt for s in alone} == {s.prompt for s in among}


def test_chunks_are_shown_in_a_share_of_samples_that_can_copy_from_them() -> None:
    mixture = Mixture(chunk_share=0.3, copy_share=1, before=800)
    shown_samples = epoch(USED, USED_INDEXES, "0", mixture)
    shown = [s for s in shown_samples if s.prompt.chunks]
    assert len(shown) == round(0.3 * len(shown_samples))
    assert all(copying(s.prompt, USED_INDEXES) > 0 for s in shown)
    for sample in shown:
        head, _, tail = sample.file.text.partition(sample.prompt.before + sample.prompt.after)
        own = [c.text for c in sample.prompt.chunks if c.path == sample.file.path]
        assert all(line in head + tail for text in own for line in text.splitlines())
    assert not any(s.prompt.chunks for s in epoch(USED, USED_INDEXES, "0", Mixture(chunk_share=0)))


def test_copying_counts_the_name_that_is_used_latest_for_the_first_time() -> None:
    index = {"repo": Index([("a.py", "def alpha(): pass\ndef omega(): pass\n")])}
    text = "alpha\n" * 16 + "omega\n" * 16
    prompt = build(Snapshot("repo", "b.py", text, len(text)), index["repo"])
    assert copying(prompt, index) == text.index("omega") / len(text)
    assert copying(replace(prompt, after="omega"), index) == 0
    assert copying(replace(prompt, chunks=()), index) == 0


def test_a_sample_knows_its_language_and_its_file() -> None:
    sample = samples()[0]
    assert (sample.language, sample.key) == ("python", ("repo", "a.py"))
    assert replace(sample, file=CorpusFile("repo", "x.unknown", "")).language == "text"


def test_very_long_lines_end_too() -> None:
    shown_samples = samples(file=CorpusFile("repo", "a.py", "x" * 10_000))
    assert "".join(sample.prompt.before for sample in shown_samples) == "x" * 10_000
