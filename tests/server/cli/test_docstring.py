"""`budgetai-docstring` on real trees."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_server.cli.docstring import main
from budgetai_server.docstrings import batch
from budgetai_server.docstrings.audit import review
from budgetai_server.docstrings.batch import DocstringWriter, pending_files
from budgetai_server.docstrings.options import DocstringOptions
from budgetai_server.docstrings.source_files import CodeFile, save
from support.says import Says

CODE = '''\
"""Rows."""


def take(name):
    return name


def _hidden(): ...


def told(count):
    """Say it.

    Args:
        ghost: is not there.
    """


class Shelf:
    """A shelf."""

    def put(self, row):
        def local(): ...
'''


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "a.py").write_text(CODE)
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def run(capsys: pytest.CaptureFixture[str], repo: Path, *arguments: object) -> Any:
    code = main([*map(str, arguments), "--repo", str(repo)])
    return SimpleNamespace(code=code, **capsys.readouterr()._asdict())


def test_check_lists_what_is_missing_or_stale(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(capsys, repo, "--check")
    assert done.code == 1
    places = [line.split(": ")[0] for line in done.out.splitlines()]
    assert places == [
        "a.py:4",
        "a.py:12",
        "a.py:22",
    ]
    assert "function take has no docstring" in done.out
    assert "told is stale" in done.out and "ghost" in done.out
    every = json.loads(run(capsys, repo, "--check", "--private", "--json").out)["findings"]
    assert {finding["name"] for finding in every} == {"take", "_hidden", "told", "put", "local"}
    (repo / "a.py").write_text('"""Rows."""\n')
    assert run(capsys, repo, "--check").code == 0


def test_what_is_left_out(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = repo.parent / "outside.py"
    outside.write_text(CODE)
    (repo / "link.py").symlink_to(outside)
    (repo / ".gitignore").write_text("ignored.py\n")
    (repo / ".budgetaiignore").write_text("left.py\n")
    for name in ("ignored.py", "left.py", "notes.txt"):
        (repo / name).write_text(CODE)
    assert {line.split(":")[0] for line in run(capsys, repo, "--check").out.splitlines()} == {
        "a.py"
    }
    named = [repo / name for name in ("link.py", "ignored.py", "left.py", "notes.txt")]
    done = run(capsys, repo, *named, "--check")
    assert (done.code, done.out, done.err.count("left out")) == (0, "", 4)
    done = run(capsys, repo, outside, "--check")
    assert done.code == 2 and "is not in" in done.err
    done = run(capsys, repo, repo / "gone.py", "--check")
    assert done.code == 2 and "no such file" in done.err


@pytest.mark.parametrize(
    ("name", "code", "names"),
    [
        ("a.go", "package a\n\nfunc Take() {}\n\nfunc hidden() {}\n", {"Take"}),
        ("a.rs", "pub fn take() {}\n\nfn hidden() {}\n", {"take"}),
        ("a.ts", "export function take() {}\n\nfunction hidden() {}\n", {"take"}),
        ("b.js", "function take() {}\n\nfunction hidden() {}\n\nexport { take };\n", {"take"}),
        ("b.js", "function a() {}\n\nfunction b() {}\n\nexport { a as c } from './d';\n", set()),
        ("b.js", "function a() {}\n\nfunction b() {}\n\nexport {\n  a as c,\n};\n", {"a"}),
        ("b.cjs", "function a() {}\n\nmodule.exports = {\n  c: a,\n  d() {},\n};\n", {"a", "d"}),
        ("b.js", "function a() {}\n\nexports = module.exports = {\n  a,\n};\n", {"a"}),
        ("b.js", "function a() {}\n\nfunction b() {}\n\nexports.c = a;\n", {"a"}),
        ("b.js", "exports.c = function () {};\n\nexports.d = (x) => x;\n", {"c", "d"}),
        ("b.js", "function a() {}\n\nObject.assign(exports, {\n  a,\n});\n", {"a"}),
        ("b.js", "function a() {}\n\nmodule.exports = { b: () => a() };\n", set()),
        ("b.mjs", "function a() {}\n\nexport default {\n  api: { a },\n};\n", {"a"}),
        ("b.tsx", "function A() {}\n\nexport default memo(A);\n", {"A"}),
        ("b.ts", "function a() {}\n\nexport = a;\n", {"a"}),
        ("a.rs", "pub fn take() {}\n\npub(crate) fn hidden() {}\n", {"take"}),
        ("A.java", "public class A {\n  public int take() {}\n  int hid() {}\n}\n", {"A", "take"}),
        ("b.py", "x = 1\n\n\nclass _A:\n    def take(self): ...\n", {""}),
    ],
)  # fmt: skip
def test_what_is_there_for_others(repo: Path, name: str, code: str, names: set[str]) -> None:
    (repo / name).write_text(code)
    listed = pending_files(DocstringOptions(repo=repo, paths=(repo / name,), check=True)).findings()
    assert {finding.name for finding in listed} == names


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.pyi", "def f(x: int) -> int: ...\n"),
        ("a.py", '"""A."""\n\n@typing.overload\ndef f(x: int) -> int: ...\n'),
        ("a.py", '"""A."""\n\nclass A:\n    """A."""\n\n    @x.setter\n    def x(self, y): ...\n'),
        ("A.java", "/** A. */\npublic class A {\n  @Override\n  public int f() { return 1; }\n}\n"),
        ("A.java", "/** A. */\npublic class A {\n  @B @Override public int f() { return 1; }\n}\n"),
        ("A.java", "/// A.\npublic class A {\n  /// F.\n  public int f() { return 1; }\n}\n"),
        (
            "A.java",
            "/** A. */\nclass A {\n  @java.lang.Override\n  int f() { return 1; }\n}\n",
        ),
        (
            "a.ts",
            "/** A. */\nexport function f(a: A): A;\nexport function f(a: B): B;\n"
            "export function f(a: any) {}\n",
        ),
        (
            "a.ts",
            "/** A.\n * @param a it\n * @param b it\n */\nexport function f(a: A): A;\n"
            "export function f(a: A, b: B): B;\nexport function f(a: any) {}\n",
        ),
        (
            "a.ts",
            "/** A. */\nexport declare function f(a: A): A;\nexport declare function f(a: B): B;\n",
        ),
        (
            "a.ts",
            "/** A. */\nexport class A {\n  /** Its x. */\n  get x() { return 1; }\n"
            "  y = 1;\n  set x(a) {}\n}\n",
        ),
        (
            "a.ts",
            "/** A. */\nexport class A extends B {\n  override x() {}\n"
            "  public override async y() {}\n}\n",
        ),
        (
            "a.js",
            "/** A. */\nexport class A {\n  /** Its x. */\n  static set x(a) {}\n"
            "  static get x() { return 1; }\n}\n",
        ),
        ("a.rs", "/// A.\npub struct A;\nimpl B for A {\n    fn f(&self) {}\n}\n"),
        ("a.rs", '#[doc = include_str!("a.md")]\npub fn f() {}\n\n#[doc(hidden)]\npub fn g() {}\n'),
        (
            "a.rs",
            "/// A.\n///\n/// # Arguments\n///\n/// * `&self` - it\n/// * `x` - it\n"
            "pub fn f(&self, x: u8) {}\n",
        ),
        ("a.py", '__doc__ = "A."\n\n\ndef f(): ...\n\n\nf.__doc__ = "F."\n'),
        ("a.py", '"""A."""\n\n\nclass A:\n    __doc__ = "A."\n'),
    ],
)
def test_what_has_its_docstring_elsewhere_needs_none(path: str, code: str) -> None:
    parsed = ParsedDocument.of(code, language_of(path))
    offers = review(path, parsed, private=True, update=True)
    modules = path.endswith((".py", ".pyi"))
    assert [offered for offered in offers if modules or offered.documentable.kind != "module"] == []


def test_without_a_model_it_says_so(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, repo)
    assert done.code == 2 and "there is no model" in done.err
    done = run(capsys, repo, "--check", "--write")
    assert done.code == 2 and "--check and --write" in done.err


def author(*parts: str) -> DocstringWriter:
    engine = Says(*parts)
    return DocstringWriter(
        "repo", lambda language: engine, Index(), lambda: False, lambda words: None
    )


def written(repo: Path, data: bytes, *parts: str) -> bytes:
    """The file after its docstrings were written by an engine that says these parts."""
    (repo / "a.py").write_bytes(data)
    (repo / "a.py").chmod(0o750)
    ((file, offers),) = pending_files(DocstringOptions(repo=repo)).files
    done = batch.changed(repo, author(*parts), file, offers, saving=True)
    assert done.notes == ()
    assert (repo / "a.py").stat().st_mode & 0o777 == 0o750
    return (repo / "a.py").read_bytes()


def test_files_keep_their_bytes(repo: Path) -> None:
    plain = '"""R."""\ndef é():\n    a = 1\n\n\ndef b():\n    c = "\x0c"\n'
    filled = plain.replace("():\n", '():\n    """Does ä."""\n')
    parts = ("Does ä.\n", "Does ä.\n")
    for mark, codec, end in (
        (b"", "utf-8", "\n"), (b"", "utf-8", "\r\n"), (b"\xef\xbb\xbf", "utf-8", "\r\n"),
        (b"\xff\xfe", "utf-16-le", "\n"), (b"", "cp1252", "\n"),
    ):  # fmt: skip
        before, after = (mark + text.replace("\n", end).encode(codec) for text in (plain, filled))
        assert written(repo, before, *parts) == after
    assert sorted(path.name for path in repo.iterdir()) == [".git", "a.py"]


def test_a_file_that_has_changed_meanwhile_is_left(repo: Path) -> None:
    file = CodeFile.of("a.py", (repo / "a.py").read_bytes())
    (repo / "a.py").write_text("x = 1\n")
    assert not save(repo, file)
    assert (repo / "a.py").read_text() == "x = 1\n"


def test_what_was_not_saved_is_not_told_as_written(repo: Path) -> None:
    ((file, offers),) = pending_files(DocstringOptions(repo=repo)).files
    (repo / "a.py").write_text("x = 1\n")
    change = batch.changed(repo, author("Take it.", "name", "a row"), file, offers, saving=True)
    assert (change.written, change.diff) == ((), "")
    assert "a.py: left as it is: it has changed meanwhile" in change.notes


def test_a_file_that_cannot_be_written_stops_no_other(repo: Path) -> None:
    """Beside a name as long as names may be no temporary file can stand."""
    name = "a" * 250 + ".py"
    (repo / "a.py").rename(repo / name)
    ((file, offers),) = pending_files(DocstringOptions(repo=repo)).files
    change = batch.changed(repo, author("Take it.", "name", "a row"), file, offers, saving=True)
    assert any("cannot be written: File name too long" in note for note in change.notes)
    assert (repo / name).read_text() == CODE


def test_a_diff_that_git_applies(repo: Path) -> None:
    text = CODE.replace("\n", "\r\n").rstrip()
    (repo / "a.py").write_bytes(text.encode())
    ((file, offers),) = pending_files(DocstringOptions(repo=repo, update=True)).files
    new, listed, _ = author("Take it.", "name", "a row", "how many", "Put it.", "a row").fill(
        file, offers
    )
    assert [finding.name for finding in listed] == ["take", "told", "put"]
    diff = batch.diff(file, new)
    subprocess.run(["git", "-C", repo, "apply", "-"], input=diff.encode(), check=True)
    assert (repo / "a.py").read_bytes() == new.encoded()
    assert "ghost" not in new.source and "count: how many" in new.source


def test_the_whole_command(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = repo / "a.py"
    file.write_text("def area(width, height):\n    return width * height\n")
    before = file.read_bytes()
    done = run(capsys, repo, file, "--model", resolve(EMBEDDED).path)
    assert done.code == 0 and "+        width: " in done.out
    assert file.read_bytes() == before
    subprocess.run(["git", "-C", repo, "apply", "-"], input=done.out.encode(), check=True)
    assert file.read_text().endswith('"""\n    return width * height\n')


def test_whoever_reads_may_stop(repo: Path) -> None:
    """As `head` does."""
    command = [sys.executable, "-m", "budgetai_server.cli.docstring", "--check", "--json"]
    with subprocess.Popen(
        [*command, "--repo", str(repo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        assert started.stdout and started.stderr
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 141
