"""What version 0.1 has written before its sources were moved is read: adapters, models, bundles and
indexes. The files were made by that version, from the tiny llama of tests/support/tiny.py.
"""

import shutil
from pathlib import Path

import pytest

from budgetai_convert.cli import main
from budgetai_convert.model import adapter
from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT, Snapshot
from budgetai_server.completion.service import complete
from budgetai_server.loader import open_model
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.indexing.parse_cache import ParseCache, decode
from support import tiny

FOLDER = Path(__file__).parents[1] / "fixtures" / "version_0_1"
HERE = Snapshot("tiny", "a.py", "def area(side):\n    return ", 27)


def test_an_adapter_is_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = AdapterManifest.read(FOLDER / "adapter")
    assert (manifest.prompt_format, manifest.rank) == (PROMPT_FORMAT, 4)
    assert adapter.read(FOLDER / "adapter").updates
    # It names its base by a path of another machine; the same weights stand here.
    shutil.copytree(FOLDER / "adapter", tmp_path / "adapter")
    base = tiny.make_llama(tmp_path / "base")
    (tmp_path / "adapter/manifest.json").unlink()
    out = tmp_path / "model.gguf"
    arguments = [str(tmp_path / "adapter"), "--base", str(base), "--out", str(out), "--json"]
    assert main(arguments) == 0
    capsys.readouterr()
    assert ModelManifest.path(out).exists()


@pytest.mark.parametrize("name", ["model/model.gguf", "bundle"])
def test_a_model_and_a_bundle_are_served(name: str, tmp_path: Path) -> None:
    # Served from a copy: a server writes beside no model, and this is seen here.
    copy = tmp_path / "copy"
    shutil.copytree(FOLDER / Path(name).parts[0], copy)
    opened = open_model(copy / "model.gguf" if "/" in name else copy, ServerOptions(threads=1))
    try:
        assert complete(opened.engine, HERE, None).usage.answer_tokens > 0
    finally:
        opened.engine.close()
    before = {file.name for file in (FOLDER / Path(name).parts[0]).iterdir()}
    assert {file.name for file in copy.iterdir()} == before


def test_a_bundle_names_its_adapters() -> None:
    (entry,) = Bundle.read(FOLDER / "bundle").adapters
    assert (entry.name, entry.repository, entry.rank) == ("tiny-completion", "tiny", 4)
    Bundle.read(FOLDER / "bundle").check(entry)


def test_an_index_is_read(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "index.sqlite", tmp_path)
    cache = ParseCache(tmp_path / "index.sqlite")
    text = cache.get(b"a key of a file.")
    cache.close()
    assert text
    symbols = decode(text)
    assert symbols
    assert [definition.name for definition in symbols.definitions] == ["area"]
