"""What stands in place of a file is left out, with its reason."""

from pathlib import Path

import pytest

from budgetai_core.repository import sources
from budgetai_core.repository.pointers import stand_in

KEY = "SHA256E-s1234567--" + "0" * 64


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n",
         "git LFS pointer"),
        (f"version https://git-lfs.github.com/spec/v1\next-0-x sha256:{'1' * 64}\noid sha256:"
         f"{'0' * 64}\nsize 1\n", "git LFS pointer"),
        (f"version https://hawser.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n",
         "git LFS pointer"),
        (f"/annex/objects/{KEY}.py\n", "git-annex pointer"),
        (f"/annex/objects/{KEY}", "git-annex pointer"),
        ("../src/mod1.py", "symlink as text"),
        ("../my src/mod1.py", "symlink as text"),
        ("mod1.py", "symlink as text"),
        ("lib/mod1", "symlink as text"),
        ("/usr/share/x.js", "symlink as text"),
        (f"../.git/annex/objects/Gk/7q/{KEY}/{KEY}", "symlink as text"),
        (f"XSym\n0014\n{'a' * 32}\n../src/mod1.py\n   ", "symlink as text"),
    ],
)  # fmt: skip
def test_stand_ins(tmp_path: Path, text: str, reason: str) -> None:
    assert stand_in(text) == reason
    (tmp_path / "a.py").write_text(text)
    assert [decision.reason for decision in sources(tmp_path)[1]] == [reason]


@pytest.mark.parametrize(
    "text",
    ["x = 1", "import a", "a.b()", "print('a/b')", "# version https://git-lfs.github.com/spec/v1\n",
     "from . import lib\n", "../src/mod1.py\n", "half = total/2", "x", "call(a/b)",
     "version https://git-lfs.github.com/spec/v1\n" + "x = 1\n" * 400, "//", "return a/b"],
)  # fmt: skip
def test_code(text: str) -> None:
    assert stand_in(text) == ""
