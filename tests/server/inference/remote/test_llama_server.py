"""A real llama-server gives the answers of the same model in this process, in all three ways of
asking it. Needs the program: BUDGETAI_LLAMA_SERVER names it, and tools/build_llama_server.sh of a
developer's machine builds it. BUDGETAI_MODELS may name more GGUF files than the embedded one."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.errors import ModelError
from budgetai_server.inference.engine import Cancelled, Engine, Usage
from budgetai_server.inference.local import LocalEngine
from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.openai_prompts import TextPrompts
from budgetai_server.inference.remote.remote_engine import RemoteEngine
from budgetai_server.loader import open_model
from budgetai_server.options import ServerOptions
from support.bundles import entry, make_bundle, make_lora

pytestmark = [pytest.mark.big, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[4]
TOKEN = "only-for-this-test"
PLACES = 20
LIMIT = 16


def models() -> list[Path]:
    embedded = resolve(EMBEDDED).path
    more = os.environ.get("BUDGETAI_MODELS", "").split(os.pathsep)
    return [embedded, *(Path(name) for name in more if name)] if embedded else []


@pytest.fixture(scope="module", params=models(), ids=lambda path: path.stem)
def model(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server(model, tmp_path_factory.mktemp("llama") / "log") as address:
        yield address


@contextmanager
def llama_server(model: Path, log: Path, *options: str) -> Iterator[str]:
    program = os.environ.get("BUDGETAI_LLAMA_SERVER")
    assert program, "set BUDGETAI_LLAMA_SERVER to the program llama-server"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-m", str(model), "-c", "2048", "-np", "1", "-t", "1", "--no-webui"]
    # Batches of another size round differently, which turns ties.
    command += ["-b", "128", "-ub", "128"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--api-key", TOKEN, *options]
    with log.open("wb") as output:
        server = subprocess.Popen(["nice", *command], stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert server.poll() is None
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("llama-server does not start")


@pytest.fixture(scope="module")
def expected(model: Path) -> Iterator[list[str]]:
    engine = LocalEngine(model, context_tokens=2048, threads=1)
    yield [said(engine, place) for place in places()]
    engine.close()


def places() -> list[Prompt]:
    """Places in this repository's own files, many of them inside of a word."""
    folder = ROOT / "server/budgetai_core/context"
    files = {path.name: path.read_text() for path in sorted(folder.glob("*.py"))}
    index = Index(files.items())
    texts = [(name, text) for name, text in files.items() if len(text) > 1500]
    found = []
    for number in range(PLACES):
        name, text = texts[number % len(texts)]
        cursor = 400 + number * 7919 % (len(text) - 500)
        found.append(prompts.build(Snapshot("budgetai", name, text, cursor), index))
    return found


def said(engine: Engine, place: Prompt) -> str:
    pieces = engine.generate(place, LIMIT, lambda: False, Usage())
    return "".join(piece.text for piece in pieces)


def remote(url: str, dialect: str = "auto", token: str = TOKEN) -> RemoteEngine:
    return RemoteEngine(Endpoint(url=url, token=token, dialect=dialect, timeout=120))


def agreeing(engine: RemoteEngine, expected: list[str]) -> int:
    answers = [said(engine, place) for place in places()]
    engine.close()
    return sum(a == b for a, b in zip(answers, expected, strict=True))


def test_the_same_answers_from_its_own_dialect(url: str, expected: list[str]) -> None:
    assert agreeing(remote(url), expected) >= PLACES - 1


def test_openais_dialect_goes_on_as_well(url: str, expected: list[str]) -> None:
    # Nothing holds it to a word that has been begun, and many of the places are inside of one.
    assert agreeing(remote(url, "openai"), expected) >= PLACES // 4


def test_a_prompt_of_plain_text_goes_on_as_well(
    url: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = remote(url, "openai")
    monkeypatch.setattr("budgetai_server.inference.remote.openai_prompts.ids_of", lambda _: None)
    engine.connect()
    assert isinstance(engine._dialect._prompts, TextPrompts)  # type: ignore[union-attr]
    assert agreeing(engine, expected) >= PLACES // 4


def test_a_typed_key_costs_a_few_tokens(url: str) -> None:
    engine = remote(url)
    place = places()[3]
    said(engine, place)
    usage = Usage()
    typed = Prompt(place.repository, place.path, place.chunks, place.after, place.before + "x")
    assert list(engine.generate(typed, LIMIT, lambda: False, usage))
    assert usage.prompt_tokens > 100 and usage.evaluated_tokens <= 8
    engine.close()


def test_a_warmed_prompt_is_in_the_cache(url: str) -> None:
    engine = remote(url)
    first, second = places()[5], places()[6]
    said(engine, first)
    engine.warm(second, lambda: False, Usage())
    usage = Usage()
    list(engine.generate(second, LIMIT, lambda: False, usage))
    assert usage.evaluated_tokens <= 2
    engine.close()


def test_cancelling_frees_the_only_slot(url: str) -> None:
    engine = remote(url)
    engine.connect()
    endless = Prompt("r", "a.py", (), "", "numbers = [\n    1,\n    2,\n    3,\n")
    pieces = engine.generate(endless, 100_000, lambda: False, Usage())
    next(pieces)
    stop = False
    pieces = engine.generate(endless, 100_000, lambda: stop, Usage())
    with pytest.raises(Cancelled):
        for _ in pieces:
            stop = True
    # The server has one slot: it answers only when the one before has stopped.
    assert said(engine, places()[0]) is not None
    engine.close()


def test_a_wrong_token(url: str) -> None:
    with pytest.raises(ModelError, match="does not accept the token"):
        said(remote(url, token="wrong"), places()[0])


SHORT = [
    Prompt("shop", "till.py", (), "\n", f"class Till:\n    def {name}(self, basket):\n        ")
    for name in ("total", "add", "remove_all", "__init__")
]


def test_each_adapter_by_its_name_beside_the_others(model: Path, tmp_path: Path) -> None:
    """Asked in turn, each says what it says in this process, where it is alone."""
    folder = make_bundle(tmp_path / "team", model, [entry("shop"), entry("till")])
    for seed, name in enumerate(("shop", "till"), start=1):
        make_lora(model, folder / f"{name}.gguf", seed=seed, spread=0.03)
    names = ("shop", "till", "none")
    expected = {}
    for name in names:
        options = ServerOptions(adapter=name, context_tokens=2048, threads=1, usage=False)
        opened = open_model(folder, options)
        expected[name] = [said(opened.engine_for("completion", "", ""), place) for place in SHORT]
        opened.engine.close()
    assert expected["shop"] != expected["till"] != expected["none"]
    adapters = f"--lora={folder}/shop.gguf,{folder}/till.gguf"
    with llama_server(folder / "base.gguf", tmp_path / "log", adapters, "--cache-ram=0") as url:
        engines = {
            name: RemoteEngine(Endpoint(url=url, token=TOKEN, model=name, timeout=120))
            for name in names
        }
        answers: dict[str, list[str]] = {name: [] for name in names}
        for place in SHORT:
            for name, engine in engines.items():
                answers[name].append(said(engine, place))
        for engine in engines.values():
            engine.close()
    for name in names:
        same = sum(a == b for a, b in zip(answers[name], expected[name], strict=True))
        # Random adapters make near ties, which another build of llama.cpp may turn.
        assert same >= len(SHORT) / 2, (name, same)
        others = [other for other in names if other != name]
        assert all(answers[name] != answers[other] for other in others)
