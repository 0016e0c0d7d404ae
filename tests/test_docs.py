"""The pages say what the code does: option tables, commands, the tree, languages, links.

Run as a program, it writes the option tables into docs/options.md.
"""

import dataclasses
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from budgetai.doctor.cli import DoctorOptions
from budgetai.models.cli import ModelsOptions
from budgetai.status import StatusOptions
from budgetai_convert.options import ConvertOptions
from budgetai_core.context.languages import LANGUAGES
from budgetai_core.options import markdown_table
from budgetai_server.cli.promote import PromoteOptions
from budgetai_server.docstrings.options import DocstringOptions
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.gateway.cli import GatewayOptions
from budgetai_server.options import ServerOptions
from budgetai_training.options import TrainOptions

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
OPTIONS = DOCS / "options.md"
ARCHITECTURE = DOCS / "architecture.md"
MAX_README_LINES = 120
MAX_GLOSSARY_LINES = 30
TABLES = {
    "train": TrainOptions,
    "convert": ConvertOptions,
    "promote": PromoteOptions,
    "server": ServerOptions,
    "gateway": GatewayOptions,
    "eval": EvalOptions,
    "docstring": DocstringOptions,
    "models": ModelsOptions,
    "status": StatusOptions,
    "doctor": DoctorOptions,
}


def with_tables(text: str) -> str:
    for name, options in TABLES.items():
        # Those of the server are the gateway's, too, and told once.
        inherited = ServerOptions if options is GatewayOptions else None
        table = markdown_table(options, inherited)
        block = f"<!-- options: {name} -->\n{table}\n<!-- end -->"
        pattern = rf"<!-- options: {name} -->\n.*?<!-- end -->"
        text, count = re.subn(pattern, block.replace("\\", r"\\"), text, flags=re.DOTALL)
        assert count == 1, name
    return text


def test_the_option_tables_are_those_of_the_code() -> None:
    text = OPTIONS.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run python tests/test_docs.py"


@pytest.mark.parametrize("options", TABLES.values())
def test_every_option_has_help(options: Any) -> None:
    for field in dataclasses.fields(options):
        assert len(field.metadata["help"]) > 10, field.name


def test_the_commands_are_those_that_are_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    named = set(re.findall(r"`(budgetai-\w+)` \|", README.read_text(encoding="utf-8")))
    assert named == {name for name in scripts if "-" in name}


def test_a_newcomer_has_two_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES
    glossary = ARCHITECTURE.read_text(encoding="utf-8").partition("## Glossary")[2]
    assert 0 < len(glossary.strip().splitlines()) <= MAX_GLOSSARY_LINES


def test_the_tree_names_every_package_and_no_other() -> None:
    """Folders are listed by indentation, each below the one it is in."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    listing = text.partition("## The tree")[2].split("```")[1]
    named, folders = set(), [""]
    for line in listing.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        folder = line.strip().partition("/ ")[0].rstrip("/")
        folders[depth + 1 :] = [f"{folders[depth]}/{folder}".lstrip("/")]
        named.add(folders[-1])
    there = {
        str(file.parent.relative_to(ROOT))
        for top in ("server", "training", "convert")
        for file in (ROOT / top).glob("budgetai*/**/__init__.py")
    }
    assert named == there


def test_the_languages_are_named() -> None:
    text = (DOCS / "server.md").read_text(encoding="utf-8").lower()
    names = {"cpp": "c++", "csharp": "c#"}
    for language in LANGUAGES:
        assert names.get(language.name, language.name) in text, language.name


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "editor-clients").glob("*.md")]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, _, heading in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]+))?\)", text):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if heading:
            heads = re.findall(r"(?m)^#+ (.+)$", linked.read_text(encoding="utf-8"))
            assert heading in {head.lower().replace(" ", "-") for head in heads}, heading


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path) -> None:
    tops = {"budgetai": "server", "budgetai_core": "server", "budgetai_server": "server"}
    tops |= {"budgetai_training": "training", "budgetai_convert": "convert", "tests": "."}
    for name in re.findall(r"`((?:budgetai_\w+|tests)/[\w/]+\.py)`", page.read_text("utf-8")):
        assert (ROOT / tops[name.partition("/")[0]] / name).exists(), name


if __name__ == "__main__":
    OPTIONS.write_text(with_tables(OPTIONS.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
