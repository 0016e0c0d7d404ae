"""What the editor says of a document's language counts where its name says nothing or another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budgetai_core.context.languages import LANGUAGES, language_called
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.session import Session
from budgetai_server.workspace.text_document import Document


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "data"))
    made = Session(ServerOptions(usage=False), (tmp_path,), trusted=True)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("name", "said", "path", "language"),
    [
        ("untitled:Untitled-1", "python", "Untitled-1.py", "python"),
        ("untitled:Untitled-1", "plaintext", "Untitled-1", None),
        ("vscode-notebook-cell:{}/nb.ipynb#W0sZmlsZQ%3D%3D", "python", "nb.ipynb.py", "python"),
        ("vscode-notebook-cell:{}/nb.ipynb#W1sZmlsZQ%3D%3D", "markdown", "nb.ipynb", None),
        ("file://{}/tool", "shellscript", "tool.sh", "bash"),
        ("file://{}/bin/tool", "sh", "bin/tool.sh", "bash"),
        ("file://{}/BUILD.in", "Python", "BUILD.in.py", "python"),
        ("file://{}/a.h", "cpp", "a.h", "cpp"),
        ("file://{}/a.h", "c", "a.h", "c"),
        ("file://{}/a.js", "javascriptreact", "a.js", "javascript"),
        ("file://{}/a.py", "plaintext", "a.py", "python"),
        ("file://{}/a.py", "", "a.py", "python"),
        ("file://{}/notes", "markdown", "notes", None),
        ("file://{}/a.sql", "sql", "a.sql", "SQL"),
        ("file://{}/a.vhd", "vhdl", "a.vhd", "VHDL"),
        ("file://{}/a.json", "json", "a.json", None),
        ("file://{}/a.md", "markdown", "a.md", None),
        ("untitled:Untitled-1", "sql", "Untitled-1.sql", "SQL"),
        ("file://{}/a.st", "plaintext", "a.st", "Smalltalk"),
    ],
)
def test_a_snapshot(
    session: Session, tmp_path: Path, name: str, said: str, path: str, language: str | None
) -> None:
    document = Document(name.format(tmp_path), "x = 1\n", language_id=said)
    snapshot = session._opened(document).snapshot(0)
    assert snapshot.path == path
    seen_language = snapshot.language
    assert (seen_language.name if seen_language else None) == language
    parsed = session._eligibility.parsed(document.uri, snapshot)
    assert parsed.language == seen_language


@pytest.mark.parametrize("said", ["plaintext", "smalltalk", "iecst", ""])
def test_the_text_and_the_user_know_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "data"))
    options = ServerOptions(usage=False, language=("zap=Acme",))
    session = Session(options, (tmp_path,), trusted=True)
    text = "FUNCTION_BLOCK Lamp\nVAR\n  on : BOOL;\nEND_VAR\n"
    for name, language in (("a.st", "Structured Text"), ("b.zap", "Acme")):
        document = Document(f"file://{tmp_path}/{name}", text, language_id=said)
        snapshot = session._opened(document).snapshot(0)
        assert snapshot.path == name
        assert snapshot.language and snapshot.language.name == language
    session.close()


def test_the_name_decides_what_is_private(session: Session, tmp_path: Path) -> None:
    """Not the one a model is shown."""
    (tmp_path / ".budgetaiignore").write_text("*.ipynb\n")
    for uri in (f"file://{tmp_path}/.env", f"vscode-notebook-cell:{tmp_path}/a.ipynb#W0"):
        document = Document(uri, "x = 1\n", language_id="python")
        assert session._left_alone(document)


def test_names_of_editors() -> None:
    names = [name for language in LANGUAGES for name in language.ids]
    assert len(names) == len(set(names))
    assert all(language_called(language.name.upper()) == language for language in LANGUAGES)
    assert language_called("") is None
