"""The inference loop on the real embedded model: reuse, cancellation, healing, foreign files."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from budgetai_server.artefacts.bases import EMBEDDED, resolve
from budgetai_server.completion import complete
from budgetai_server.context.prompt import Snapshot
from budgetai_server.errors import ModelError
from budgetai_server.inference.engine import Cancelled, Usage
from budgetai_server.inference.local import LocalEngine as Engine

TEXT = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    path = resolve(EMBEDDED).path
    assert path is not None
    engine = Engine(path)
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
    path = resolve(EMBEDDED).path
    assert path is not None
    small = Engine(path, context_tokens=256)
    before = "x = '" + "語" * 3000
    done = complete(small, Snapshot("r", "a.py", before + "語" * 800, len(before)), None)
    assert done.usage.prompt_tokens < small.context_tokens
    small.close()


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
