"""The inference loop on the real embedded model: reuse, cancellation, healing, foreign files."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context import prompt as prompts
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.context.retrieval import Chunk
from budgetai_core.context.window import WindowLimits
from budgetai_core.errors import ModelError
from budgetai_core.llama.model import BATCH
from budgetai_server.completion.service import complete
from budgetai_server.inference.engine import Cancelled, Usage
from budgetai_server.inference.local import LocalEngine as Engine
from budgetai_server.inference.profile import SpeedProfile
from budgetai_server.inference.speculative import Table
from support import tiny

TEXT = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "


BASE = resolve(EMBEDDED).path or Path()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(BASE)
    yield engine
    engine.close()


def line(engine: Engine, before: str, after: str = "") -> tuple[str, Usage]:
    done = complete(engine, Snapshot("r", "a.py", before + after, len(before)), None)
    return done.text, done.usage


def test_a_typed_key_costs_a_few_tokens(engine: Engine) -> None:
    line(engine, "x = 1\n")
    _, first = line(engine, TEXT)
    assert first.evaluated_tokens > 10
    for typed in ("r", "re", "ret", "retu"):
        _, usage = line(engine, TEXT + typed)
        assert usage.evaluated_tokens <= 4


def test_an_accepted_answer_is_in_the_cache_already(engine: Engine) -> None:
    answer, _ = line(engine, TEXT)
    _, usage = line(engine, TEXT + answer)
    assert usage.evaluated_tokens <= 4


def test_what_is_in_the_cache_changes_no_answer(engine: Engine) -> None:
    places = [TEXT, TEXT + "return", TEXT[:-20], TEXT + "ret", "x = [1, 2, ", TEXT]
    warm = [line(engine, place)[0] for place in places]
    cold = []
    for place in places:
        fresh = Engine(engine.path)
        cold.append(line(fresh, place)[0])
        fresh.close()
    assert warm == cold


def test_inside_a_word_no_token_is_evaluated(engine: Engine) -> None:
    line(engine, TEXT + "r")
    for typed in ("re", "ret", "retu"):
        assert line(engine, TEXT + typed)[1].evaluated_tokens == 0


def test_going_back_and_forth_between_files_stays_warm() -> None:
    engine = Engine(BASE, sequences=2)
    files = ["".join(f"{name}_{n} = call({n})\n" for n in range(16)) for name in ("left", "right")]
    places = [Snapshot("r", f"{n}.py", text, len(text)) for n, text in enumerate(files)]
    first = [complete(engine, place, None) for place in places]
    assert min(done.usage.evaluated_tokens for done in first) > 100
    again = [complete(engine, place, None) for place in places * 2]
    assert max(done.usage.evaluated_tokens for done in again) <= 1
    assert [done.text for done in again] == [done.text for done in first] * 2
    engine.close()


def test_a_copied_beginning_changes_no_answer() -> None:
    shared = "".join(f"value_{n} = compute({n})\n" for n in range(16))
    ends = ["x = [", "def total(values):\n    ", "import "]
    engine, alone = Engine(BASE, sequences=3), Engine(BASE)
    for end in ends * 2:
        text = shared + "".join(f"{end[0]}_{n} = {n * 3}\n" for n in range(6)) + end
        place = Snapshot("r", "a.py", text, len(text))
        done = complete(engine, place, None)
        assert done.text == complete(alone, place, None).text
    assert done.usage.evaluated_tokens < done.usage.prompt_tokens - 120
    engine.close()
    alone.close()


def answers_with_and_without_drafts(path: Path) -> tuple[list[bool], int, int]:
    """For many places whether both answers are the same; drafted and accepted tokens."""
    lines = [f"    result_{n} = compute(first={n}, second=other_{n})\n" for n in range(12)]
    source = "def run():\n" + "".join(lines)
    plain, drafting = Engine(path, speculate=False), Engine(path)
    drafting.learn([source, TEXT])
    # Batches cost next to nothing here, so that drafts are long and often wrong.
    drafting.speed = SpeedProfile(1000.0, (1.0,) * 7)
    same, drafted, accepted = [], 0, 0
    for cut in range(40, len(source), 122):
        ids = plain.tokenize(source[:cut])
        usage = Usage()
        pieces = [
            [piece.text for piece in one.generate_after(ids, b"", 32, usage=spent)]
            for one, spent in ((plain, Usage()), (drafting, usage))
        ]
        same.append(pieces[0] == pieces[1])
        drafted, accepted = drafted + usage.drafted, accepted + usage.accepted
    plain.close()
    drafting.close()
    return same, drafted, accepted


def test_drafts_change_no_token_in_16_bit(tmp_path: Path) -> None:
    gguf = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf")
    plain, drafting = Engine(gguf, speculate=False), Engine(gguf)
    drafting.speed = SpeedProfile(1000.0, (1.0,) * 7)
    drafted = accepted = 0
    for cut in range(10, len(TEXT)):
        ids = plain.tokenize(TEXT[:cut])
        expected = [piece.text for piece in plain.generate_after(ids, b"", 48)]
        # The table knows what the model will say, but for one token in eleven.
        continuation = list(plain.cache.sequences.all[0].tokens)
        drafting.drafter.table = Table([[t + (n % 11 == 10) for n, t in enumerate(continuation)]])
        usage = Usage()
        assert [p.text for p in drafting.generate_after(ids, b"", 48, usage=usage)] == expected
        assert drafting.cache.sequences.all[0].tokens[: len(continuation) - 1] == continuation[:-1]
        drafted, accepted = drafted + usage.drafted, accepted + usage.accepted
    assert drafted > accepted > 20
    plain.close()
    drafting.close()


def test_drafts_of_a_quantised_model_change_next_to_nothing() -> None:
    # Its kernels round one token alone and several at once differently: near ties may tip over.
    same, drafted, accepted = answers_with_and_without_drafts(BASE)
    assert sum(same) >= 0.8 * len(same)
    assert drafted > accepted > 25


def test_a_generation_given_up_midway_leaves_a_true_cache(engine: Engine) -> None:
    engine.learn([TEXT + "return a - b\n\n\ndef mul(a, b):\n    return a * b\n"])
    for taken in range(1, 9):
        pieces = engine.generate_after(engine.tokenize(TEXT), b"", 32)
        for _ in range(taken):
            next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert line(engine, TEXT)[0] == "return a - b"
    engine.learn([])


def test_sure_and_unsure_tokens(engine: Engine) -> None:
    sure = complete(engine, Snapshot("r", "a.py", TEXT, len(TEXT)), None)
    guess = complete(engine, Snapshot("r", "a.py", "name = ", 7), None)
    assert sure.confidence is not None and guess.confidence is not None
    assert 1 >= sure.confidence > guess.confidence > 0


def test_speed_is_measured_and_the_cache_is_clean_afterwards() -> None:
    engine = Engine(BASE, sequences=2)
    before = line(engine, TEXT)[0]
    speed = engine.measure()
    assert 0 < speed.batches[0] <= speed.batches[-1]
    assert speed.prefill > 0
    assert line(engine, TEXT)[0] == before == "return a - b"
    engine.close()


@pytest.mark.parametrize("cut", range(1, 13))
def test_the_answer_goes_on_inside_every_token(engine: Engine, cut: int) -> None:
    whole = TEXT + "return a - b"
    assert line(engine, whole[:-cut])[0] == whole[-cut:]


def test_inside_indentation(engine: Engine) -> None:
    assert line(engine, TEXT[:-1])[0] == " return a - b"
    assert line(engine, TEXT[:-4])[0] == "    return a - b"
    assert line(engine, TEXT[:-5])[0] == "\n    return a - b"


def test_a_running_prefill_stops_and_the_engine_goes_on(engine: Engine) -> None:
    long = "".join(f"value_{n} = compute({n}, {n * 7})\n" for n in range(150))
    prompt = engine.tokenize(long)
    stop = threading.Event()
    threading.Timer(0.15, stop.set).start()
    with pytest.raises(Cancelled):
        list(engine.generate_after(prompt, b"", 4, stop.is_set))
    with pytest.raises(Cancelled):
        list(engine.generate_after(prompt, b"", 4, lambda: True))
    assert line(engine, TEXT)[0] == "return a - b"


def test_control_tokens_have_no_bytes_and_names_are_text(engine: Engine) -> None:
    ids = engine.tokenize("<file_sep><|endoftext|>")
    assert engine.markers.file not in ids
    assert b"".join(engine.vocabulary.pieces[i] for i in ids) == b"<file_sep><|endoftext|>"
    assert engine.vocabulary.pieces[engine.markers.file or 0] == b""


def test_a_prompt_longer_than_the_context_is_cut() -> None:
    small = Engine(BASE, context_tokens=256)
    before = "x = '" + "語" * 3000
    done = complete(small, Snapshot("r", "a.py", before + "語" * 800, len(before)), None)
    assert done.usage.prompt_tokens < small.context_tokens
    small.close()


def test_text_of_many_tokens_takes_no_longer_than_other_text() -> None:
    """A prompt is sized in characters by what there is time for; here each is a token or more."""
    engine = Engine(BASE)
    usual = WindowLimits().characters / 3.2
    chunks = (Chunk("b.py", "x = 1\n" * 200),)
    for before in ("7" * 2400, "語" * 2400):
        assert len(engine.tokenize(before)) > 1.7 * usual
        ids, _ = engine._tokens(Prompt("r", "a.py", chunks, "", before))
        assert usual < len(ids) <= 1.25 * usual
        # The end of the text before the cursor is what stays.
        kept, _ = engine.vocabulary.take_back(engine.tokenize(before))
        assert ids[-64:] == kept[-64:]
        longer, _ = engine._tokens(Prompt("r", "a.py", chunks, "", before + before[:1]))
        assert longer[:64] == ids[:64]
    code = Prompt("r", "a.py", chunks, "", "value = compute(value)\n" * 100)
    assert engine._tokens(code)[0][: len(engine._encode(code)[0])] == engine._encode(code)[0]
    engine.close()


def test_of_text_of_many_tokens_the_nearest_stays(tmp_path: Path) -> None:
    """On either side of the cursor, with a model that fills gaps."""
    engine = Engine(tiny.make_gguf(tiny.make_qwen2(tmp_path / "q"), tmp_path / "q.gguf"))
    engine.limits = WindowLimits().scaled(0.14)
    most = 1.25 * engine.limits.characters / 3.2
    before, after = "".join(f"{n}語" for n in range(90)), "".join(f"{n}文" for n in range(40))
    head, behind = engine._encode(Prompt("r", "a.py", (), after, before))
    assert len(head) > most / 3 and len(behind) > most
    ids, _ = engine._tokens(Prompt("r", "a.py", (), after, before))
    assert most - 150 < len(ids) <= most
    role = {ids.index(token): name for name, token in vars(engine.markers).items() if token in ids}
    (start,) = (place for place, name in role.items() if name == "suffix")
    shown = ids[start + 1 : min(place for place in role if place > start)]
    assert len(shown) == pytest.approx(most / 3, rel=0.1)
    assert shown[:40] == engine.tokenize(after)[:40]
    engine.close()


def test_a_code_model_from_elsewhere_brings_its_own_markers(tmp_path: Path) -> None:
    gguf = tiny.make_gguf(tiny.make_qwen2(tmp_path / "q"), tmp_path / "q.gguf")
    engine = Engine(gguf)
    assert engine.metadata("budgetai.prompt_format") is None
    assert engine.markers.fills_middle
    complete(engine, Snapshot("r", "a.py", "x = ", 4), None)
    engine.close()


def test_another_prompt_format_is_refused_in_one_sentence(tmp_path: Path) -> None:
    from gguf import GGUFReader, GGUFWriter

    gguf = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf")
    reader = GGUFReader(gguf)
    writer = GGUFWriter(tmp_path / "other.gguf", "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            kind = field.types[0]
            sub = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, field.contents(), kind, sub)
    writer.add_uint32("budgetai.prompt_format", 99)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=r"prompt format 99, this server uses \d"):
        Engine(tmp_path / "other.gguf")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + b"\xff" * 200, b"no model at all"])
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(content)
    with pytest.raises(ModelError):
        Engine(file)


def test_moving_down_a_few_lines_is_quick_first_and_exact_after_warming() -> None:
    engine, alone = Engine(BASE, sequences=3), Engine(BASE)
    text = "".join(f"value_{n} = compute({n}, other_{n})\n" for n in range(14))
    upper, lower = (
        Snapshot("r", "a.py", text, text.index(f"value_{n} ") + len("value_")) for n in (6, 8)
    )
    complete(engine, upper, None)
    quick = complete(engine, lower, None).usage
    cold = complete(alone, lower, None)
    assert quick.spliced
    assert quick.evaluated_tokens < cold.usage.evaluated_tokens / 3
    engine.warm(prompts.build(lower), lambda: False)
    exact = complete(engine, lower, None)
    assert not exact.usage.spliced
    assert exact.usage.evaluated_tokens == 0
    assert exact.text == cold.text
    engine.close()
    alone.close()


def test_the_same_place_has_the_same_logits_whatever_was_held(tmp_path: Path) -> None:
    model = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf", "Q8_0")
    typing, fresh = Engine(model, sequences=2), Engine(model)
    ids = typing.tokenize("".join(f"value_{n} = compute({n}, value_{n - 1})\n" for n in range(24)))
    assert len(ids) > 4 * BATCH
    # Keys, an accepted line, a full batch and one token more, back, a jump, and there again.
    places = [60, 62, 66, 90, 64, 65, 128, 129, 200, 197, 100, 220, 200]
    for number, place in enumerate(places):
        prompt = ids[:place] if number % 4 else [*ids[: place - 9], ids[3], *ids[place - 9 : place]]
        list(typing.generate_after(prompt, b"", number % 3))
        _, logits = typing.cache.prepare(prompt, Usage())
        logits = logits.copy()
        fresh.cache.cut(fresh.cache.sequences.all[0], 0)
        assert np.array_equal(logits, fresh.cache.prepare(prompt, Usage())[1]), place
    typing.close()
    fresh.close()


@pytest.mark.parametrize(("place", "new", "length"), [(20, 0, 21), (90, 0, 108), (70, 1, 71)])
def test_what_is_left_of_a_splice_gives_the_logits_of_an_empty_cache(
    tmp_path: Path, place: int, new: int, length: int
) -> None:
    model = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf", "Q8_0")
    used, fresh = Engine(model), Engine(model)
    ids = used.tokenize("".join(f"value_{n} = compute({n}, value_{n - 1})\n" for n in range(30)))
    before, other = ids[: 3 * place + 40], ids[3]
    lines_down = [*before[:place], *[other] * new, *before[place + 20 :]]
    usage = Usage()
    used.cache.prepare(before, Usage())
    used.cache.prepare(lines_down, usage)
    assert usage.spliced
    prompt = [*lines_down[: place + new], *[other] * (length - place - new)]
    for _ in range(2):
        _, logits = used.cache.prepare(prompt, usage)
        assert not usage.spliced
        assert np.array_equal(logits, fresh.cache.prepare(prompt, Usage())[1])
    used.close()
    fresh.close()
