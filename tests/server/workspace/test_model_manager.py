"""Bundles: what a manifest may say, which adapter is chosen, and how a running server follows."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.bundle import AdapterEntry, Bundle
from budgetai_core.errors import ModelError
from budgetai_server.inference.adapter_registry import AdapterRegistry
from budgetai_server.loader import Opened, open_model
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.session import Session
from budgetai_server.workspace.text_document import Document
from support import bundles, tiny

TEXT, ENDS = tiny.CODE, (150, 220, 300)
OPTIONS = ServerOptions(
    threads=1, context_tokens=400, sequences=2, min_confidence=0.0, prompt_tokens=150
)
ENTRIES = (
    bundles.entry("first"),
    bundles.entry("words", task="docstring"),
    bundles.entry("snakes", languages=("python",)),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    return tiny.make_gguf(tiny.make_llama(place / "m"), place / "m.gguf")


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    return bundles.make_bundle(tmp_path / "bundle", base, ENTRIES)


@pytest.fixture(autouse=True)
def known_speed(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    """Measured once for each file; here it does not matter, and takes time."""
    from budgetai_server import loader
    from budgetai_server.inference.profile import SpeedProfile

    fast = SpeedProfile(2000.0, (0.01, 0.01, 0.01, 0.01, 0.02, 0.02, 0.02))
    monkeypatch.setattr(loader, "_speed", lambda engine, options: fast)


def test_it_is_read(folder: Path) -> None:
    bundle = Bundle.read(folder)
    assert bundle.adapters == ENTRIES
    assert bundle.base == folder / "base.gguf"
    for entry in ENTRIES:
        bundle.check(entry)


def test_an_entry_without_a_name_has_that_of_its_file(folder: Path) -> None:
    values = {"base_file": "base.gguf", "adapters": [{"file": "first.gguf", "new": 1}]}
    (folder / "manifest.json").write_text(json.dumps(values))
    assert Bundle.read(folder).adapters == (bundles.entry("first"),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a b"}, "the name 'a b'"),
        ({"name": "none"}, "the name 'none'"),
        ({"name": 7}, "name cannot be 7"),
        ({"task": "poems"}, "unknown task 'poems'"),
        ({"task": []}, r"task cannot be \[\]"),
        ({"scale": "much"}, 'scale cannot be "much"'),
        ({"scale": float("nan")}, "the scale nan"),
        ({"scale": 10**400}, "scale cannot be 1000"),
        ({"languages": [1]}, r"adapters\[0\]\.languages\[0\] cannot be 1"),
        ({"languages": "python"}, 'languages cannot be "python"'),
        ({"file": "../first.gguf"}, "names the file"),
        ({"file": "/etc/passwd"}, "names the file"),
        ({"file": ".."}, "names the file"),
        ({"file": None}, "file cannot be null"),
        ({"file": "link.gguf"}, "a link"),
        ({"file": "missing.gguf"}, "missing"),
        ({"size": 3}, "bytes, its manifest says 3"),
    ],
)
def test_what_no_entry_may_say(folder: Path, change: dict[str, Any], words: str) -> None:
    (folder / "link.gguf").symlink_to(folder.parent)
    values = {"name": "first", "file": "first.gguf"} | change
    manifest = {"base_file": "base.gguf", "adapters": [values]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=words):
        Bundle.read(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"adapters": 1}', '{"adapters": [1]}', "[" * 9999, "\0", '{"adapters": []}'],
)
def test_broken_manifests(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ModelError):
        Bundle.read(folder)


def test_names_differ_and_the_prompt_format_is_ours(folder: Path) -> None:
    bundles.write_manifest(folder, [ENTRIES[0], ENTRIES[0]])
    with pytest.raises(ModelError, match="two adapters named first"):
        Bundle.read(folder)
    bundles.write_manifest(folder, ENTRIES, prompt_format=99)
    with pytest.raises(ModelError, match="prompt format 99"):
        Bundle.read(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"no manifest\.json"):
        Bundle.read(folder)


@pytest.mark.parametrize(
    ("task", "language", "repository", "chosen"),
    [
        ("completion", "", "", "newer"),
        ("completion", "python", "", "snakes"),
        ("completion", "go", "here", "ours"),
        ("completion", "python", "here", "snakes"),
        ("docstring", "python", "here", "words"),
        ("review", "python", "here", None),
    ],
)
def test_the_adapter_for_a_place(
    task: str, language: str, repository: str, chosen: str | None
) -> None:
    entries = (
        *ENTRIES,
        bundles.entry("ours", repository="here"),
        bundles.entry("newer", repository="there"),
    )
    bundle = Bundle(folder=Path(), base_file="base.gguf", adapters=entries)
    fitting = bundle.adapter_for(task, language, repository)
    assert (fitting.name if fitting else None) == chosen


def test_the_newest_model_may_be_a_bundle(tmp_path: Path) -> None:
    models = layout.repository_folder(tmp_path) / "models"
    for name in ("20250102-000000-Q8_0", ".20250109-000000.x.tmp"):
        (models / name).mkdir(parents=True)
        (models / name / "manifest.json").write_text("{}")
    (models / "20250101-000000-Q8_0.gguf").touch()
    assert layout.newest_model(tmp_path) == models / "20250102-000000-Q8_0"
    (models / "20250103-000000-Q8_0.gguf").touch()
    assert layout.newest_model(tmp_path) == models / "20250103-000000-Q8_0.gguf"


def said(opened: Opened, language: str = "go", task: str = "completion") -> str:
    """What is said after three texts, since a model that knows nothing may end one at once."""
    engine: Any = opened.engine_for(task, language, "r")
    answers = (engine.generate_after(engine.tokenize(TEXT[:end]), b"", 12) for end in ENDS)
    return "|".join("".join(piece.text for piece in pieces) for pieces in answers)


@pytest.fixture
def with_model(folder: Path) -> Any:
    opened = open_model(folder, OPTIONS)
    yield opened
    opened.engine.close()


def adapters(opened: Opened) -> AdapterRegistry:
    assert opened.adapters
    return opened.adapters


def test_each_place_has_its_adapter(with_model: Opened, folder: Path) -> None:
    assert adapters(with_model).names == ("first", "words", "snakes")
    words = "first for completions, words for docstrings, snakes for completions"
    assert str(with_model).endswith(words)
    answers = [said(with_model), said(with_model, "python"), said(with_model, task="docstring")]
    assert len({*answers, said(replace(with_model, adapters=None))}) == 4
    engine = with_model.engine_for("completion", "go", "r")
    assert engine is with_model.engine_for("completion", "rust", "elsewhere")


@pytest.mark.parametrize(("name", "expected"), [("none", ""), ("words", "words")])
def test_one_adapter_for_all_completions(folder: Path, name: str, expected: str) -> None:
    opened = open_model(folder, replace(OPTIONS, adapter=name))
    for language in ("python", "go"):
        assert getattr(opened.engine_for("completion", language, ""), "adapter", None) == expected
    assert getattr(opened.engine_for("docstring", "go", ""), "adapter", None) == "words"
    opened.engine.close()


def test_adapters_that_are_not_there(folder: Path, base: Path) -> None:
    with pytest.raises(ModelError, match=r"no adapter x\. Use none, first, words, snakes"):
        open_model(folder, replace(OPTIONS, adapter="x"))
    with pytest.raises(ModelError, match="has no adapter x"):
        open_model(base, replace(OPTIONS, adapter="x"))


def test_the_option_scales_all(folder: Path, with_model: Opened) -> None:
    none = open_model(folder, replace(OPTIONS, adapter_scale=0.0))
    assert said(none) == said(replace(with_model, adapters=None)) != said(with_model)
    none.engine.close()


def test_it_follows_its_folder(with_model: Opened, folder: Path, base: Path) -> None:
    fitting, before = adapters(with_model), said(with_model)
    engine = with_model.engine_for("completion", "go", "r")
    bundles.make_lora(base, folder / "later.gguf", seed=9)
    bundles.write_manifest(folder, [*ENTRIES[:2], bundles.entry("later")])
    assert fitting.update() == ()
    assert (
        fitting.names == getattr(with_model.engine, "adapters", None) == ("first", "words", "later")
    )
    assert said(with_model) != before
    # The one that stayed is the same object still, and what is kept of it goes on to be used.
    bundles.write_manifest(folder, ENTRIES[:2])
    assert fitting.update() == ()
    assert with_model.engine_for("completion", "go", "r") is engine
    assert said(with_model) == before
    bundles.make_lora(base, folder / "first.gguf", seed=9)
    assert fitting.update() == ()
    assert with_model.engine_for("completion", "go", "r") is not engine
    assert said(with_model) != before


def test_bad_news_are_refused_and_the_old_serves(
    with_model: Opened, folder: Path, base: Path
) -> None:
    fitting, before = adapters(with_model), (said(with_model), said(with_model, "python"))

    def refused(entries: list[AdapterEntry], words: str) -> None:
        bundles.write_manifest(folder, entries)
        (refusal,) = fitting.update()
        assert words in refusal
        assert words in str(with_model)
        assert (said(with_model), said(with_model, "python")) == before

    (folder / "broken.gguf").write_bytes((folder / "first.gguf").read_bytes()[:-999])
    refused([*ENTRIES, bundles.entry("broken")], "is cut short")
    shutil.copy(folder / "broken.gguf", folder / "new.gguf")
    refused([replace(ENTRIES[0], file="new.gguf"), *ENTRIES[1:]], "is cut short")
    refused([replace(ENTRIES[0], sha256="0" * 64), *ENTRIES[1:]], "differs from what its bundle")
    refused([replace(ENTRIES[0], size=5), *ENTRIES[1:]], "has")
    refused([replace(ENTRIES[0], task="x"), *ENTRIES[1:]], "unknown task")
    (folder / "manifest.json").write_text("{")
    assert "cannot be read" in fitting.update()[0]
    os.utime(folder / "base.gguf", ns=(1, 1))
    refused(list(ENTRIES), "another")


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_a_session_takes_up_an_adapter_without_a_restart(
    folder: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budgetai_server.inference.adapter_registry._PAUSE_SECONDS", 0.0)
    root = tmp_path / "work"
    root.mkdir()
    session = Session(replace(OPTIONS, model=folder), (root,), trusted=True)
    assert (await session.start()).name == "ready", session.state
    assert session.status()["adapters"] == ["first", "words", "snakes"]
    document = Document((root / "a.go").as_uri(), "package a\n\nfunc add(a, b int) int {\n\t")
    offset = len(document.source)

    async def complete() -> tuple[str, int]:
        # What is shown in an open document stays as it is.
        session.closed(document.uri)
        item = await session.complete(document, offset)
        return item.text if item else "", session.status()["usage"]["cached"]

    first, cached = await complete()
    assert first and not cached
    assert await complete() == (first, 1)
    bundles.make_lora(base, folder / "later.gguf", seed=9)
    bundles.write_manifest(folder, [*ENTRIES, bundles.entry("later")])
    session.saved(document)
    await until(lambda: "later" in session.status()["adapters"])
    after, cached = await complete()
    assert cached == 1, "what another adapter has said is not an answer"
    assert after != first
    (folder / "later.gguf").write_bytes(b"GGUF")
    bundles.write_manifest(folder, [*ENTRIES, bundles.entry("later", scale=2.0)])
    session.saved(document)
    await until(lambda: "later.gguf" in session.status()["message"])
    assert session.status()["state"] == "ready"
    assert (await complete())[0] == after
    session.close()


@pytest.mark.asyncio
async def test_a_bundle_in_the_workspace_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, model=folder)
    session = Session(options, (tmp_path,), trusted=False)
    state = await session.start()
    assert state.name == "error" and "lies inside the workspace" in state.message
    session.close()
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.symlink_to(folder)
    session = Session(replace(options, model=outside), (tmp_path,), trusted=False)
    assert "lies inside the workspace" in (await session.start()).message
    session.close()
