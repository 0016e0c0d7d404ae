"""Whose file a request is about: repositories, documents, and what a name must not lead to."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.context.index import Index
from budgetai_core.errors import ModelError
from budgetai_server.gateway.disk_watch import DiskWatch
from budgetai_server.gateway.fim_request import FimRequest
from budgetai_server.gateway.open_files import OpenFiles, file_of, window_start
from budgetai_server.gateway.repositories import Repositories
from budgetai_server.workspace import renewal
from budgetai_server.workspace.roots import repository_of
from support.gateway import Scripted, running, wait_for

SHOP = "".join(f"def function_{n}(basket):\n    return basket.item_{n}\n\n" for n in range(40))
LICENCE = "# Licensed to everyone who reads this line to its end.\n# The same in each file.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


def repository(root: Path, **files: str) -> Path:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    return root


def halves(text: str, line: int) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:line]), "".join(lines[line:])


def test_a_request_belongs_to_the_repository_of_its_file(tmp_path: Path, root: Path) -> None:
    other = repository(tmp_path / "other")
    elsewhere = tmp_path / "loose.py"
    repositories = Repositories(root, lambda _: pytest.fail("opens"), others=True)
    of = repositories.root_of
    assert of(FimRequest("")) == root
    assert of(FimRequest("", path="lib/x.py")) == root
    assert of(FimRequest("", path=str(other / "lib/x.py"))) == other
    assert of(FimRequest("", path=(other / "x.py").as_uri())) == other
    assert of(FimRequest("", repository=str(other))) == other
    assert of(FimRequest("", neighbors=(str(root / "a.py"), str(other / "b.py"), "c.py"))) == other
    assert of(FimRequest("", path=str(elsewhere))) is None


def test_without_a_key_no_other_repository_is_read(tmp_path: Path, root: Path) -> None:
    """Others on this machine could read it through completions."""
    other = repository(tmp_path / "other")
    repositories = Repositories(root, lambda _: pytest.fail("opens"), others=False)
    assert repositories.root_of(FimRequest("", path=str(other / "x.py"))) is None
    assert repositories.root_of(FimRequest("", repository=str(other))) is None
    assert repositories.root_of(FimRequest("", neighbors=(str(other / "x.py"),))) == root
    assert repositories.root_of(FimRequest("", path=str(root / "x.py"))) == root


@pytest.mark.parametrize(
    "name",
    ["relative.py", "//host/share/x.py", "\\\\host\\share\\x.py", "/nul\0/x.py", "/" + "x" * 5000],
)
def test_names_that_are_not_asked_for(name: str) -> None:
    assert repository_of(Path(name)) is None


def test_a_home_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = repository(tmp_path / "home")
    monkeypatch.setenv("HOME", str(home))
    assert repository_of(home / "x.py") is None
    project = repository(home / "project")
    assert repository_of(project / "lib" / "x.py") == project


def test_a_link_belongs_to_the_folder_it_lies_in(tmp_path: Path, root: Path) -> None:
    other = repository(tmp_path / "other", secret="TOKEN = 1\n")
    (root / "link.py").symlink_to(other / "secret.py")
    assert repository_of(root / "link.py") == root


def test_a_circle_of_links_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert repository_of(tmp_path / "a" / "x.py") is None


def test_what_stands_above_is_put_back() -> None:
    """Plugins send some hundred lines: the first of them goes with each new one."""
    before, after = halves(SHOP, 90)
    window = halves(before, 30)[1]
    assert window_start(SHOP, window, after) == len(before) - len(window)
    files = OpenFiles(None, lambda uri: None)
    first, _ = files.place(FimRequest(before, after), None)
    typed = halves(before, 31)[1] + "    x = 1\n"
    second, cursor = files.place(FimRequest(typed, after), None)
    assert second.uri == first.uri
    assert second.source == before + "    x = 1\n" + after
    assert second.source[:cursor] == before + "    x = 1\n"


def test_files_with_the_same_licence_are_not_the_same_file() -> None:
    other = LICENCE + SHOP.replace("function", "procedure")
    assert window_start(LICENCE + SHOP, other, "\n") is None
    files = OpenFiles(None, lambda uri: None)
    first, _ = files.place(FimRequest(LICENCE + SHOP), None)
    second, _ = files.place(FimRequest(other), None)
    assert first.uri != second.uri
    assert second.source == other


def test_typing_in_a_short_text_goes_on_in_it() -> None:
    files = OpenFiles(None, lambda uri: None)
    documents = [files.place(FimRequest("def f"[:length]), None)[0] for length in range(6)]
    assert len({document.uri for document in documents}) == 1


def test_a_file_is_known_by_the_lines_around_the_cursor(root: Path) -> None:
    index = Index([("lib/shop.py", SHOP), ("lib/other.py", SHOP.replace("basket", "cart"))])
    before, after = halves(SHOP, 60)
    assert file_of(index, before + "    new_line = ", after) == "lib/shop.py"
    assert file_of(index, "def nowhere_to_be_seen(in_any_file):\n    ", "\n") is None
    twice = Index([("a.py", SHOP), ("b.py", SHOP)])
    assert file_of(twice, before, after) is None
    files = OpenFiles(root, lambda uri: None)
    window = halves(before, 20)[1]
    document, cursor = files.place(FimRequest(window + "    x", after), index)
    assert document.uri == (root / "lib/shop.py").as_uri()
    assert document.source[:cursor] == before + "    x"


def test_a_document_is_looked_for_once_and_again_when_there_are_more_files(root: Path) -> None:
    """Under another name nothing that was generated would serve again."""
    files, index = OpenFiles(root, lambda uri: None), Index([("other.py", "import math\n")])
    request = FimRequest(*halves(SHOP, 60))
    unnamed = files.place(request, None)[0].uri
    assert files.place(request, index)[0].uri == unnamed
    index.update("another.py", "import os\n")
    assert files.place(request, index)[0].uri == unnamed
    index.update("shop.py", SHOP)
    named = files.place(request, index)[0].uri
    assert named == (root / "shop.py").as_uri()
    index.update("more.py", "import re\n")
    assert files.place(request, index)[0].uri == named


def test_a_name_does_not_lead_out_of_the_repository(root: Path) -> None:
    (root.parent / "outside.py").write_text("SECRET = 'of another'\n" + SHOP)
    index = Index([("shop.py", SHOP)])
    files = OpenFiles(root, lambda uri: None)
    before, after = halves(SHOP, 9)
    for name in ("../outside.py", str(root.parent / "outside.py"), "/etc/passwd"):
        document, _ = files.place(FimRequest(before, after, path=name), index)
        assert document.source == before + after


def test_old_documents_are_closed(root: Path) -> None:
    closed: list[str] = []
    files = OpenFiles(root, closed.append)
    for number in range(20):
        files.place(
            FimRequest(SHOP.replace("basket", f"basket_{number}"), path=f"{number}.py"), None
        )
    assert closed == [(root / f"{number}.py").as_uri() for number in range(4)]


def test_saved_files_are_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "lib").mkdir()
    for name in ("a.py", "lib/b.py", "lib/c.py"):
        (root / name).write_text("x = 1\n")
    watch, paths = DiskWatch(root), ("a.py", "lib/b.py", "lib/c.py")

    def changed() -> set[str]:
        monkeypatch.setattr(watch, "_last", -1e9)
        return {os.path.relpath(path, root) for path in asyncio.run(watch.changed(paths))}

    assert changed() == set()
    assert changed() == set()
    os.utime(root / "lib/b.py", ns=(1, 1))
    assert changed() == {"lib/b.py"}
    (root / "lib/new.py").write_text("y = 1\n")
    (root / "lib/c.py").unlink()
    os.utime(root / "lib", ns=(2, 2))
    assert changed() == {"lib/new.py", "lib/c.py"}
    assert asyncio.run(watch.changed(paths)) == []


def test_the_prompt_is_that_of_the_repository(tmp_path: Path) -> None:
    """A request without a name is known by its lines, one with a name has its own repository."""
    root = repository(tmp_path / "shop", shop=SHOP, unit="def helper_of_all(a):\n    return a\n")
    other = repository(tmp_path / "other", main="import unit\n")
    before, after = halves(SHOP, 60)
    body = {"input_prefix": before, "prompt": "    x = ", "input_suffix": "\n" + after}
    with running(Scripted("1\n"), root) as gateway:
        until = time.monotonic() + 60
        while True:
            assert gateway.ask("/infill", body).body["content"] == "1"
            prompt = gateway.engine.prompts[-1]
            if prompt.path == "shop.py" or time.monotonic() > until:
                break
            # The index is being built; what was said before its time is remembered.
            body["prompt"] = "  " + body["prompt"]
            time.sleep(0.1)
        assert (prompt.repository, prompt.path) == ("shop", "shop.py")
        named = {"prompt": "import unit\nunit.", "suffix": "\n"}
        assert gateway.ask("/v1/completions", named, X_Budgetai_File=str(other / "main.py")).text
        prompt = gateway.engine.prompts[-1]
        assert (prompt.repository, prompt.path) == ("other", "main.py")
        assert gateway.ask("/v1/completions", named, X_Budgetai_File=".env").body["choices"] == [
            {"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}
        ]


def test_a_model_made_meanwhile_is_served(
    root: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a restart, once it is loaded; the older goes on until then, and where it cannot be.
    Typing goes on in the same document."""
    monkeypatch.setattr(renewal, "LOOK_AGAIN_SECONDS", 0.0)
    engines = {name: Scripted(f"{name}()\n") for name in ("first", "second")}

    def made(name: str, number: int) -> None:
        path = layout.new_model(root, "Q8_0").with_name(f"2026-01-0{number}-{name}.gguf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def by_path(path: Path) -> Scripted:
        name = path.stem.rpartition("-")[2]
        if name not in engines:
            raise ModelError(f"{path.name} is broken")
        return engines[name]

    places = iter(range(10_000))

    def said() -> str:
        # Each time another place, which no generation is remembered for.
        prompt = f"# a document that is known again\nx = {next(places)}\ny = "
        body = {"prompt": prompt, "suffix": "\n"}
        answer = gateway.ask("/v1/completions", body, X_Budgetai_File=str(root / "shop.py"))
        return str(answer.body["choices"][0]["text"])

    with running(engines["first"], root, by_path=by_path) as gateway:
        assert said() == ""
        made("first", 1)
        wait_for(lambda: said() == "first()")
        made("broken", 2)
        wait_for(lambda: said() == "first()" and "is not served" in caplog.text)
        made("second", 3)
        wait_for(lambda: said() in ("first()", "second()") and said() == "second()")
        assert said() == "second()"
        assert caplog.text.count("is not served") == 1
