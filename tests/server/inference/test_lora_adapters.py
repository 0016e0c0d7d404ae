"""One model, several adapters: each speaks as if it were alone, the base as if there were none."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from budgetai_core.errors import ModelError
from budgetai_server.inference.engine import Usage
from budgetai_server.inference.kv_slots import KVSlots
from budgetai_server.inference.local import LocalEngine
from budgetai_server.inference.profile import SpeedProfile
from budgetai_server.inference.speculative import Table
from support import bundles, tiny

NAMES = ("a", "b", "c")
LINES = tiny.CODE.splitlines(keepends=True)
# They begin alike, so that beginnings are copied, and far enough that nothing is spliced: that is
# an approximation, whoever speaks.
TEXTS = ["".join([*LINES[:8], *LINES[at : at + 2]]) for at in (10, 13, 22, 33)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    return tiny.make_gguf(tiny.make_llama(place / "m"), place / "m.gguf")


@pytest.fixture(scope="module")
def files(base: Path) -> dict[str, Path]:
    return {
        name: bundles.make_lora(base, base.with_name(f"{name}.gguf"), seed=seed)
        for seed, name in enumerate(NAMES, start=1)
    }


@pytest.fixture
def engine(base: Path, files: dict[str, Path]) -> Iterator[LocalEngine]:
    engine = opened(base, files, sequences=2)
    yield engine
    engine.close()


def opened(base: Path, files: dict[str, Path], *, sequences: int = 1) -> LocalEngine:
    engine = LocalEngine(base, sequences=sequences, threads=1, context_tokens=400)
    for name, file in files.items():
        engine.add(name, file)
    return engine


def say(engine: LocalEngine, text: str, usage: Usage | None = None) -> str:
    pieces = engine.generate_after(engine.tokenize(text), b"", 12, usage=usage)
    return "".join(piece.text for piece in pieces)


def logits(engine: LocalEngine, text: str = TEXTS[0]) -> np.ndarray:
    ids = engine.tokenize(text)[:60]
    engine.llama.forget(0, -1)
    engine.llama.use(engine.adapter)
    assert engine.llama.evaluate(0, 0, ids)
    engine.cache.sequences.all[0].cut(0)
    found = engine.llama.logits().copy()
    engine.llama.forget(0, -1)
    return found


def alone(base: Path, files: dict[str, Path]) -> dict[tuple[str, str], str]:
    """What each adapter says, and the base, where no other has ever been."""
    said: dict[tuple[str, str], str] = {}
    for name in ("", *files):
        engine = opened(base, {name: files[name]} if name else {})
        said |= {(name, text): say(engine.adapted(name), text) for text in TEXTS}
        engine.close()
    return said


@pytest.mark.parametrize("sequences", [1, 2, 4])
def test_each_says_what_it_says_alone(base: Path, files: dict[str, Path], sequences: int) -> None:
    expected = alone(base, files)
    assert len({tuple(expected[name, text] for text in TEXTS) for name in ("", *NAMES)}) == 4
    engine = opened(base, files, sequences=sequences)
    views = {name: engine.adapted(name) for name in ("", *NAMES)}
    order = random.Random(sequences)
    for _ in range(60):
        name, text = order.choice(list(expected))
        if order.random() < 0.3:
            say(views[name], text[: order.randrange(20, len(text))])
        else:
            assert say(views[name], text) == expected[name, text]
    engine.close()


def test_the_base_is_untouched_bit_by_bit(base: Path, files: dict[str, Path]) -> None:
    never = opened(base, {})
    expected = logits(never)
    never.close()
    engine = opened(base, files)
    assert (logits(engine) == expected).all()
    for name in NAMES:
        assert not (logits(engine.adapted(name)) == expected).all()
        assert (logits(engine) == expected).all()
    for name in NAMES:
        engine.remove(name)
    assert (logits(engine) == expected).all()
    engine.close()


def test_the_scale_is_a_factor(engine: LocalEngine, files: dict[str, Path]) -> None:
    expected, once = logits(engine), logits(engine.adapted("a"))
    engine.add("none of it", files["a"], 0.0)
    engine.add("twice", files["a"], 2.0)
    assert (logits(engine.adapted("none of it")) == expected).all()
    assert not (logits(engine.adapted("twice")) == once).all()
    with pytest.raises(ModelError, match="scaled by nan"):
        engine.add("twice", files["a"], float("nan"))


def test_a_replaced_adapter_leaves_nothing_behind(
    base: Path, files: dict[str, Path], engine: LocalEngine
) -> None:
    expected = alone(base, files)
    views = {name: engine.adapted(name) for name in NAMES}
    assert say(views["a"], TEXTS[0]) == expected["a", TEXTS[0]]
    say(views["b"], TEXTS[0])
    engine.add("a", files["c"])
    usage = Usage()
    assert say(views["a"], TEXTS[0], usage) == expected["c", TEXTS[0]]
    assert usage.evaluated_tokens == usage.prompt_tokens
    kept = Usage()
    assert say(views["b"], TEXTS[0], kept) == expected["b", TEXTS[0]]
    assert kept.evaluated_tokens == 0
    engine.remove("a")
    assert engine.adapters == ("b", "c")
    with pytest.raises(ModelError, match="no adapter a"):
        say(views["a"], TEXTS[0])
    assert say(engine, TEXTS[0]) == expected["", TEXTS[0]]


def test_drafts_change_no_token(base: Path, files: dict[str, Path]) -> None:
    plain = LocalEngine(base, threads=1, speculate=False)
    drafting = LocalEngine(base, threads=1)
    drafting.speed = SpeedProfile(1000.0, (1.0,) * 7)
    accepted = 0
    for name, file in files.items():
        plain.add(name, file)
        drafting.add(name, file)
    for text in TEXTS:
        for name in ("a", "", "b"):
            expected = say(plain.adapted(name), text)
            drafting.learn([text])
            said = list(plain.cache.sequences.all[0].tokens)
            drafting.drafter.table = Table([[t + (n % 7 == 6) for n, t in enumerate(said)]])
            usage = Usage()
            assert say(drafting.adapted(name), text, usage) == expected
            accepted += usage.accepted
    assert accepted > 10
    plain.close()
    drafting.close()


def test_measuring_is_without_an_adapter(engine: LocalEngine) -> None:
    before = say(engine.adapted("a"), TEXTS[0])
    engine.measure()
    assert engine.llama.end(0) == 0
    assert say(engine.adapted("a"), TEXTS[0]) == before


def test_no_sequence_is_shared() -> None:
    prompt = list(range(40))
    sequences = KVSlots(2)
    first, _ = sequences.take(prompt, "a")
    first.adapter, first.tokens = "a", prompt.copy()
    assert sequences.take(prompt, "a") == (first, None)
    second, source = sequences.take([*prompt, 41], "b")
    assert second is not first and source is None
    second.adapter, second.tokens = "b", [*prompt, 41]
    # The one not used for longest makes way, whosever it is, and nothing of it is copied.
    third, source = sequences.take(prompt, "")
    assert third is first and source is None
    moved = prompt[:2] + prompt[8:]
    assert sequences.similar(moved, "b") and sequences.similar(moved, "a")
    assert sequences.similar(moved, "") is None


def nan(name: str, values: np.ndarray) -> np.ndarray:
    return values * np.nan if name.startswith("blk.1.ffn_up") else values


def wide(name: str, values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values[:, :-2]) if name.endswith("lora_a") else values


def unpaired(name: str, values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values[:, :-1]) if name.endswith("lora_b") else values


def cubic(name: str, values: np.ndarray) -> np.ndarray:
    return values[None] if name.startswith("blk.0.attn_q") else values


def whole(name: str, values: np.ndarray) -> np.ndarray:
    return values.astype(np.int32)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"change": nan}, "not numbers"),
        ({"change": wide}, "does not fit this model"),
        ({"change": unpaired}, "no pair"),
        ({"change": cubic}, "plain linear layers"),
        ({"change": whole}, "only float32"),
        ({"architecture": "qwen2"}, "for models of the kind 'qwen2', not llama"),
        ({"alpha": float("inf")}, "alpha inf"),
    ],
)
def test_wrong_adapters_are_refused(
    engine: LocalEngine, base: Path, tmp_path: Path, made: dict[str, object], words: str
) -> None:
    file = bundles.make_lora(base, tmp_path / "wrong.gguf", **made)  # type: ignore[arg-type]
    before = say(engine.adapted("a"), TEXTS[0])
    with pytest.raises(ModelError, match=words):
        engine.add("a", file)
    assert engine.adapters == NAMES
    assert say(engine.adapted("a"), TEXTS[0]) == before


def test_an_adapter_of_another_base_is_refused(engine: LocalEngine, tmp_path: Path) -> None:
    other = tiny.make_gguf(tiny.make_llama(tmp_path / "o", hidden=128), tmp_path / "o.gguf")
    with pytest.raises(ModelError, match="does not fit this model"):
        engine.add("a", bundles.make_lora(other, tmp_path / "other.gguf"))


def test_models_are_no_adapters_and_adapters_no_models(
    engine: LocalEngine, base: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"a whole model|is not a LoRA"):
        engine.add("a", base)
    with pytest.raises(ModelError, match="is a LoRA adapter, not a model"):
        LocalEngine(files["a"])
    with pytest.raises(ModelError, match="cannot be read"):
        engine.add("a", tmp_path / "missing.gguf")
    with pytest.raises(ModelError, match="cannot be read"):
        engine.add("a", tmp_path)


@pytest.mark.parametrize(
    ("kind", "alpha", "layer", "words"),
    [
        ("lora", 4.0, "token_embd", "more than plain linear layers"),
        ("lora", 4.0, "blk.0.ffn_up_exps", "more than plain linear layers"),
        ("lora", 4, "blk.0.attn_q", "adapter.lora.alpha of another kind"),
        (1, 4.0, "blk.0.attn_q", "adapter.type of another kind"),
        ("control", 4.0, "blk.0.attn_q", "is not a LoRA"),
    ],
)
def test_what_would_end_the_process_is_refused(
    engine: LocalEngine, tmp_path: Path, kind: object, alpha: float, layer: str, words: str
) -> None:
    writer = gguf.GGUFWriter(tmp_path / "e.gguf", "llama")
    writer.add_type("adapter")
    for key, value in (("adapter.type", kind), ("adapter.lora.alpha", alpha)):
        types = {str: "STRING", int: "UINT32", float: "FLOAT32"}
        writer.add_key_value(key, value, gguf.GGUFValueType[types[type(value)]])
    for side in "ab":
        writer.add_tensor(f"{layer}.weight.lora_{side}", np.ones((64, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=words):
        engine.add("a", tmp_path / "e.gguf")


BROKEN = """
import random, sys
from pathlib import Path
from budgetai_core.errors import ModelError
from budgetai_server.inference.local import LocalEngine

base, file, out = map(Path, sys.argv[1:])
engine, raw, refused = LocalEngine(base, threads=1, context_tokens=64), file.read_bytes(), 0
header = raw.rfind(b".lora_") + 64
order = random.Random(0)
for turn in range(200):
    broken = bytearray(raw)
    if turn % 4 == 0:
        broken = broken[: order.randrange(len(raw))]
    else:
        for _ in range(turn % 4):
            broken[order.randrange(header)] = order.choice([0, 1, 0x7F, 0x80, 0xFF, 9, 4, 8])
    out.write_bytes(broken)
    try:
        engine.add("x", out)
        list(engine.adapted("x").generate_after([1, 2, 3], b"", 1))
    except ModelError:
        refused += 1
print(refused)
"""


def test_no_broken_file_ends_the_process(
    base: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, base, files["a"], tmp_path / "broken.gguf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


def test_memory_for_answers_does_not_grow(base: Path, files: dict[str, Path]) -> None:
    engine = opened(base, {}, sequences=2)
    cells = engine.llama.context_tokens, len(engine.cache.sequences.all)
    for turn in range(10):
        engine.add(f"x{turn}", files["a"])
        say(engine.adapted(f"x{turn}"), TEXTS[0])
    assert (engine.llama.context_tokens, len(engine.cache.sequences.all)) == cells
    held = [one for one in engine.cache.sequences.all if one.tokens]
    assert {one.adapter for one in held} == {"x8", "x9"}
    engine.close()
