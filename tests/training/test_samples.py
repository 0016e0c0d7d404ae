"""Samples are what the server sends, and each line is learned once in a pass."""

import random
from pathlib import Path

import pytest

import tiny
from budgetai_server.artefacts.bases import resolve
from budgetai_server.context.index import Index
from budgetai_server.context.prompt import Prompt, Snapshot, build, encode
from budgetai_server.context.window import Limits
from budgetai_server.repository import SourceFile
from budgetai_training.base import load
from budgetai_training.dataset import UNLABELLED, Encoder, Passes, collate
from budgetai_training.samples import Recipe, file_samples, one_pass

TEXT = "".join(f"def function_{n}(a, b):\n    return a + b * {n}\n\n\n" for n in range(300))
FILES = [SourceFile("a.py", TEXT), SourceFile("pkg/b.py", TEXT.replace("function", "other"))]
INDEX = Index((f.path, f.text) for f in FILES)


def samples(seed: int = 0) -> list[Prompt]:
    return list(file_samples("repo", FILES[0], INDEX, random.Random(seed), Recipe()))


def test_the_windows_of_a_pass_tile_the_file() -> None:
    for seed in range(5):
        assert "".join(prompt.before for prompt in samples(seed)) == TEXT


def test_what_follows_a_window_is_what_the_file_goes_on_with() -> None:
    offset = 0
    for prompt in samples():
        offset += len(prompt.before)
        assert TEXT.startswith(prompt.after, offset)


def test_a_sample_is_the_prompt_of_the_server() -> None:
    offset = 0
    for prompt in samples():
        place = Snapshot("repo", "a.py", TEXT[offset:], len(prompt.before))
        offset += len(prompt.before)
        chunks = 600 if prompt.chunks else 0
        # The end of AFTER is sticky, so its length tells the limit only roughly.
        sizes = range(len(prompt.after), len(prompt.after) + 500)
        assert any(build(place, INDEX, Limits(2400, size, chunks)) == prompt for size in sizes)


def test_a_pass_is_drawn_from_the_seed_alone() -> None:
    assert one_pass("repo", FILES, INDEX, "0/1") == one_pass("repo", FILES, INDEX, "0/1")
    assert one_pass("repo", FILES, INDEX, "0/1") != one_pass("repo", FILES, INDEX, "0/2")


def test_very_long_lines_end_too() -> None:
    file = SourceFile("a.py", "x" * 10_000)
    found = list(file_samples("repo", file, INDEX, random.Random(0), Recipe()))
    assert "".join(prompt.before for prompt in found) == file.text


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tiny.make_qwen2(tmp_path_factory.mktemp("qwen2"), markers_special=False)
    return Encoder(load(resolve(str(folder)), "", "fp32").tokenizer)


def test_labels_are_on_what_is_learned(encoder: Encoder) -> None:
    prompt = samples()[1]
    encoded = encoder.encode(prompt)
    head, learned = encode(prompt, encoder.markers, encoder.tokenize)
    assert encoded["input_ids"] == [*head, *learned, encoder.markers.end]
    assert encoded["labels"][: len(head)] == [UNLABELLED] * len(head)
    assert encoded["labels"][len(head) :] == encoded["input_ids"][len(head) :]


def test_marker_names_in_a_file_are_text(encoder: Encoder) -> None:
    markers = encoder.markers
    assert markers.fills_middle
    special = {markers.prefix, markers.suffix, markers.middle, markers.file, markers.end}
    ids = encoder.tokenize("x = '<|fim_middle|><|file_sep|><|endoftext|>'")
    assert not special & set(ids)


def test_passes_follow_each_other(encoder: Encoder) -> None:
    def make(number: int) -> list[Prompt]:
        return one_pass("repo", FILES, INDEX, f"0/{number}")

    passes = Passes(make, encoder, 3)
    assert len(passes) == 3 * passes.pass_length == 3 * len(make(0))
    assert passes[0] == encoder.encode(make(0)[0])
    assert passes[passes.pass_length] == encoder.encode(make(1)[0])
    assert passes[1] == encoder.encode(make(0)[1])


def test_batches_are_padded_without_labels() -> None:
    rows = [{"input_ids": [5, 6, 7], "labels": [-100, 6, 7]}, {"input_ids": [8], "labels": [8]}]
    batch = collate(rows, pad=1)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_folder_needs_no_network(tmp_path: Path) -> None:
    """The encoder above came from a folder; the Hub is switched off in tests, and not asked."""
    folder = tiny.make_llama(tmp_path)
    loaded = load(resolve(str(folder)), "", "fp32")
    assert Encoder(loaded.tokenizer).markers.file is not None
