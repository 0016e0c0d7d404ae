"""The invariants of the README, checked on the source and on real interpreters."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "budgetai_server": ROOT / "server/budgetai_server",
    "budgetai_training": ROOT / "training/budgetai_training",
    "budgetai_convert": ROOT / "convert/budgetai_convert",
}
SHARED = ("context", "docstrings", "repository", "artefacts", "options", "command", "errors")
# Pure, too: a prompt is healed alike where it is trained and where it is served.
HEALING = "budgetai_server.inference.vocabulary."
CORE = PACKAGES["budgetai_server"] / "context"


def modules(*names: str) -> list[Path]:
    return sorted(file for name in names for file in PACKAGES[name].rglob("*.py"))


def imports(file: Path, *, top_only: bool = False) -> set[str]:
    """Dotted names a file imports, `from a import b` as a.b."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers(library: str) -> set[str]:
    return {
        str(file.relative_to(ROOT))
        for file in modules(*PACKAGES)
        if any(name.split(".")[0] == library for name in imports(file))
    }


def test_only_the_rim_knows_the_protocol() -> None:
    rim = {f"server/budgetai_server/{name}.py" for name in ("session", "cli")}
    found = importers("pygls") | importers("lsprotocol")
    assert {file for file in found if "/budgetai_server/lsp/" not in file} <= rim
    assert importers("pygls")


def test_only_the_engine_and_the_converter_know_llama_cpp() -> None:
    allowed = {
        "server/budgetai_server/inference/llama.py",
        "convert/budgetai_convert/quantize.py",
        "convert/budgetai_convert/native.py",
    }
    assert importers("llama_cpp") == allowed


def test_the_server_knows_neither_torch_nor_the_other_two() -> None:
    banned = {"torch", "transformers", "peft", "budgetai_training", "budgetai_convert"}
    for file in modules("budgetai_server"):
        assert not {name.split(".")[0] for name in imports(file)} & banned, file


@pytest.mark.parametrize(
    ("package", "other"),
    [("budgetai_training", "budgetai_convert"), ("budgetai_convert", "budgetai_training")],
)
def test_training_and_convert_share_only_the_ground(package: str, other: str) -> None:
    for file in modules(package):
        for name in imports(file):
            assert not name.startswith(other), file
            if name.startswith("budgetai_server."):
                shared = name.split(".")[1] in (*SHARED, "__version__")
                assert shared or name.startswith(HEALING), (file, name)


def test_the_core_needs_the_standard_library_and_tree_sitter_only() -> None:
    for file in sorted(CORE.rglob("*.py")):
        for name in imports(file):
            first = name.split(".")[0]
            own = name.startswith("budgetai_server.context")
            assert own or first in sys.stdlib_module_names or first == "tree_sitter", (file, name)
            assert first not in {"os", "io", "subprocess", "socket", "logging"}, (file, name)
        calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "open"], file


def test_docstrings_are_told_by_text_alone() -> None:
    """What they look like depends on no model, file or editor."""
    allowed = {"tree_sitter", "docstring_parser"}
    for file in sorted((PACKAGES["budgetai_server"] / "docstrings").glob("*.py")):
        for name in imports(file):
            first = name.split(".")[0]
            own = name.startswith(("budgetai_server.context", "budgetai_server.docstrings"))
            assert own or first in sys.stdlib_module_names or first in allowed, (file, name)
            assert first not in {"os", "io", "subprocess", "socket", "logging"}, (file, name)


def test_no_import_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            dotted = ".".join([package, *file.relative_to(folder).with_suffix("").parts])
            graph[dotted.removesuffix(".__init__")] = imports(file, top_only=True)

    def targets(module: str) -> set[str]:
        names = graph[module]
        return {n if n in graph else n.rpartition(".")[0] for n in names} & set(graph) - {module}

    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module not in done:
            for target in targets(module):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_no_module_is_too_long() -> None:
    sources = [*modules(*PACKAGES), *(ROOT / "demo").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
    assert not [f for f in sources if len(f.read_text().splitlines()) > 500]


def test_the_core_loads_no_model_library() -> None:
    code = (
        "import sys, budgetai_server.context.prompt;"
        "heavy = {'llama_cpp', 'torch', 'numpy', 'pygls', 'httpx2'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "module",
    [
        "budgetai_server",
        "budgetai_training",
        "budgetai_convert",
        "budgetai_server.eval_cli",
        "budgetai_server.documenting.cli",
    ],
)
def test_help_loads_nothing_heavy(module: str) -> None:
    """--help has to answer in 0.5 s. Times are noisy; what makes it slow is not: heavy imports."""
    code = (
        f"import sys, runpy; sys.argv = ['x', '--help']\n"
        f"name = {module!r} if '.' in {module!r} else {module!r} + '.cli'\n"
        "try: __import__(name, fromlist=['main']).main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "heavy = {'torch', 'transformers', 'numpy', 'llama_cpp', 'pygls', 'rich', 'gguf'}\n"
        "heavy |= {'httpx2'}\n"
        "sys.exit(code or (str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "--" in done.stdout
