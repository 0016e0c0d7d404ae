"""What is printed to be copied can be pasted into a shell, whatever is in a path."""

import ast
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from budgetai_convert import cli as convert_cli
from budgetai_convert.options import ConvertOptions
from budgetai_core.artifacts.promotion import Promotion
from budgetai_core.errors import OptionError
from budgetai_core.repository import git
from budgetai_server.cli import demo
from budgetai_server.inference.remote.endpoint import read_token
from budgetai_training import cli as train_cli

ROOT = Path(__file__).parents[1]
ODD = Path("/data/it's a $folder/of mine")
# A program's name and all behind it, or an option that takes a path or a name of another's making.
_COMMAND = re.compile(
    r"(?:(?:^|[\s:`])(?:budgetai-[a-z]+|git|chmod|rm|mv|cp|pip)(?: --?\S+| \d+)* "
    r"|(?:Add|Give|Try|with|Run:?) --(?:repo|base|model|out|also|corpus|adapter|ca-file)[ =])$"
)


def unquoted(tree: ast.AST) -> Iterator[int]:
    """Lines with a command in which a value stands as it is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                quoted = isinstance(part.value, ast.Call) and "shlex." in ast.unparse(part.value)
                if _COMMAND.search(before) and not quoted:
                    yield node.lineno
                before += "…"


@pytest.mark.parametrize("package", ["server", "training", "convert"])
def test_every_value_in_a_command_is_quoted(package: str) -> None:
    places = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line in unquoted(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not places


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('f"Run: chmod 600 {file}"', [1]),
        ('f"budgetai-server --model {out}"', [1]),
        ('f"Give --base {base}"', [1]),
        ('f"Give --base {shlex.quote(base)}"', []),
        ('f"budgetai-train found {count} files. In {root}"', []),
        ('f"git does not read {root}"', []),
    ],
)
def test_the_search_finds_them(source: str, lines: list[int]) -> None:
    assert list(unquoted(ast.parse(source))) == lines


def test_the_next_command() -> None:
    trained: Any = SimpleNamespace(folder=ODD, manifest=SimpleNamespace(kind="lora"))
    assert shlex.split(train_cli._next(trained)) == ["budgetai-convert", str(ODD)]
    options = ConvertOptions(out=ODD / "m.gguf")
    command = ["budgetai-server", "--model", str(ODD / "m.gguf")]
    assert shlex.split(convert_cli._next(options)) == command


def test_commands_of_git() -> None:
    assert shlex.split(git.command(ODD, "status")) == ["git", "-C", str(ODD), "status"]


def test_the_mode_of_a_token_file(tmp_path: Path) -> None:
    file = tmp_path / "it's a token"
    file.write_text("secret\n")
    file.chmod(0o644)
    with pytest.raises(OptionError) as caught:
        read_token(file)
    command = shlex.split(caught.value.hint.removeprefix("Run: "))
    assert command == ["chmod", "600", str(file)]


def test_settings_of_editors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", f'{ODD}/"bin"/python')
    promoted = Promotion(outcome="served", reason="it is not worse", model=str(ODD))
    toml = demo._next_steps(ODD, promoted).partition("(languages.toml):\n")[2]
    server = tomllib.loads(toml)["language-server"]["budgetai"]
    assert server["command"] == f'{ODD}/"bin"/budgetai-server'
