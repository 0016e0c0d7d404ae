"""Documents that an ignore file names get no completion, folderver the file lies."""

from pathlib import Path

import pytest

from budgetai_server.completion.eligibility import Eligibility
from budgetai_server.options import ServerOptions


def reason(root: Path | None, file: Path, eligibility: Eligibility | None = None) -> object:
    inside = root is not None and file.is_relative_to(root)
    path = file.relative_to(root).as_posix() if root and inside else file.name
    places = eligibility or Eligibility(ServerOptions(), root)
    return places.document_reason(file.as_uri(), file, path, 10)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("top/repo/private", "elsefolder/private"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path.resolve() / "top" / "repo"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("folder", ["", ".."])
def test_in_the_workspace(root: Path, encoding: str, folder: str) -> None:
    (root / folder / ".budgetaiignore").write_text("private/\n", encoding=encoding)
    assert reason(root, root / "private" / "a.py") == "ignored"
    assert reason(root, root / "a.py") is None


def test_outside_of_the_workspace(root: Path) -> None:
    elsefolder = root.parent.parent / "elsefolder"
    (elsefolder / ".budgetaiignore").write_text("private/\n")
    for workspace in (root, None):
        assert reason(workspace, elsefolder / "private" / "a.py") == "ignored"
        assert reason(workspace, elsefolder / "a.py") is None


def test_an_ignore_file_that_cannot_be_read_names_everything(root: Path) -> None:
    (root / ".budgetaiignore").write_bytes("private/\n".encode("utf-16-le"))
    assert reason(root, root / "a.py") == "ignored"


def test_it_is_read_anew_when_it_is_saved(root: Path) -> None:
    places = Eligibility(ServerOptions(), root)
    assert reason(root, root / "private" / "a.py", places) is None
    (root / ".budgetaiignore").write_text("private/\n")
    places.saved((root / ".budgetaiignore").as_uri())
    assert reason(root, root / "private" / "a.py", places) == "ignored"
