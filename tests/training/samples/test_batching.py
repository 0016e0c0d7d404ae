"""Samples as token ids, and passes as micro-batches with hardly any padding."""

import random
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import encode
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.model import load
from budgetai_training.samples.batching import Epochs, collate, grouped, size
from budgetai_training.samples.encoding import UNLABELLED, Encoder
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.masked_spans import span_samples
from budgetai_training.samples.sample import Sample
from support import tiny

TEXT = "".join(f"def function_{n}(a, b):\n    return a + b * {n}\n\n\n" for n in range(120))
SIZES = (300, 700, 1500, 5000)
FILES = tuple(CorpusFile("repo", f"m{n}.py", TEXT[: SIZES[n % 4]]) for n in range(24))
INDEXES = {"repo": Index((file.path, file.text) for file in FILES)}


def lay_out(number: int) -> list[Sample]:
    return epoch(FILES, INDEXES, f"0/{number}")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tiny.make_qwen2(tmp_path_factory.mktemp("qwen2"), markers_special=False)
    return Encoder(load(resolve(str(folder)), "", "fp32").tokenizer)


def test_labels_are_on_what_is_learned(encoder: Encoder) -> None:
    sample = lay_out(0)[1]
    encoded = encoder.learned(sample)
    head, learned = encode(sample.prompt, encoder.markers, encoder.tokenize)
    assert sample.ends
    assert encoded["input_ids"] == [*head, *learned, encoder.markers.end]
    assert encoded["labels"][: len(head)] == [UNLABELLED] * len(head)
    assert encoded["labels"][len(head) :] == encoded["input_ids"][len(head) :]


def test_where_the_file_goes_on_unseen_no_end_is_learned(encoder: Encoder) -> None:
    unended = [s for number in range(4) for s in lay_out(number) if not s.ends]
    assert unended
    for sample in unended:
        assert encoder.learned(sample)["input_ids"][-1] != encoder.markers.end


def test_at_a_hole_the_answer_alone_is_asked_for(encoder: Encoder) -> None:
    for sample in span_samples(FILES, INDEXES, "0", 20):
        encoded = encoder.asked(sample)
        asked = [label for label in encoded["labels"] if label != UNLABELLED]
        assert encoded["input_ids"][-len(asked) :] == asked
        answer = sample.prompt.before[-sample.answer :]
        tokenizer = encoder._tokenizer
        # The first asked token may begin in front of the answer, and no other does.
        assert tokenizer.decode(asked).endswith(answer)
        assert len(tokenizer.decode(asked[1:])) < len(answer)


def test_the_answer_and_the_end_behind_it_count_more(encoder: Encoder) -> None:
    mixture = Mixture(emphasis=7)
    for sample in epoch(FILES, INDEXES, "0", mixture):
        encoded = encoder.learned(sample)
        answer = sum(label != UNLABELLED for label in encoder.asked(sample)["labels"])
        heavy = answer + sample.ends
        assert encoded["weights"] == [1] * (len(encoded["input_ids"]) - heavy) + [7] * heavy


def test_marker_names_in_a_file_are_text(encoder: Encoder) -> None:
    markers = encoder.markers
    assert markers.fills_middle
    special = {markers.prefix, markers.suffix, markers.middle, markers.file, markers.end}
    ids = encoder.tokenize("x = '<|fim_middle|><|file_sep|><|endoftext|>'")
    assert not special & set(ids)


def test_micro_batches_hold_every_sample_once_and_little_padding() -> None:
    layout = lay_out(0)
    groups = grouped(layout, 3000, random.Random(0))
    together = [sample for group in groups for sample in group]
    assert sorted(map(repr, together)) == sorted(map(repr, layout))
    assert all(len(g) == 1 or len(g) * max(map(size, g)) <= 3000 for g in groups)
    shown = sum(map(size, layout))
    padded = sum(len(g) * max(map(size, g)) for g in groups)
    assert max(map(len, groups)) > 2
    # Cut in the order of the pass into fours, a third would be padding.
    fours = [layout[n : n + 4] for n in range(0, len(layout), 4)]
    assert padded < 1.12 * shown < sum(len(f) * max(map(size, f)) for f in fours)


def test_passes_follow_each_other_and_can_be_entered_anywhere(encoder: Encoder) -> None:
    passes = Epochs(lay_out, encoder, 3, 3000)
    assert len(passes) == 3 * passes.epoch_length
    assert passes.epoch_samples == len(lay_out(0))
    late = passes[passes.epoch_length + 1]
    assert Epochs(lay_out, encoder, 3, 3000)[passes.epoch_length + 1] == late
    assert passes[1] != late
    assert all(row["input_ids"] for row in late)


def test_batches_are_padded_without_labels() -> None:
    rows = [
        {"input_ids": [5, 6, 7], "labels": [-100, 6, 7], "weights": [1, 1, 3]},
        {"input_ids": [8], "labels": [8], "weights": [3]},
    ]
    batch = collate(rows, pad=1)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]
    assert batch["weights"].tolist() == [[1, 1, 3], [3, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_folder_needs_no_network(tmp_path: Path) -> None:
    """The encoder above came from a folder; the Hub is switched off in tests, and not asked."""
    loaded = load(resolve(str(tiny.make_llama(tmp_path))), "", "fp32")
    assert Encoder(loaded.tokenizer).markers.file is not None
