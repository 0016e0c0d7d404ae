"""The invariants of docs/architecture.md, checked on the source and on real interpreters."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "budgetai": ROOT / "server/budgetai",
    "budgetai_core": ROOT / "server/budgetai_core",
    "budgetai_server": ROOT / "server/budgetai_server",
    "budgetai_training": ROOT / "training/budgetai_training",
    "budgetai_convert": ROOT / "convert/budgetai_convert",
}
CONTEXT = PACKAGES["budgetai_core"] / "context"
DOCSTRINGS = PACKAGES["budgetai_core"] / "docstrings"
SIDE_EFFECTS = {"os", "io", "subprocess", "socket", "logging"}


def modules(*names: str) -> list[Path]:
    return sorted(file for name in names for file in PACKAGES[name].rglob("*.py"))


@functools.cache
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
    rim = (
        "/budgetai_server/lsp/", "/budgetai_server/cli/",
        "/workspace/session.py", "/workspace/text_document.py",
    )  # fmt: skip
    users = importers("pygls") | importers("lsprotocol")
    assert users
    assert not [file for file in users if not any(part in file for part in rim)]


def test_one_package_binds_llama_cpp() -> None:
    users = importers("llama_cpp")
    assert users
    assert not [file for file in users if not file.startswith("server/budgetai_core/llama/")]


@pytest.mark.parametrize(
    ("package", "others"),
    [
        ("budgetai", {"budgetai_training", "budgetai_convert"}),
        ("budgetai_core", {"budgetai", "budgetai_server", "budgetai_training", "budgetai_convert"}),
        ("budgetai_server", {"budgetai", "budgetai_training", "budgetai_convert"}),
        ("budgetai_training", {"budgetai", "budgetai_server", "budgetai_convert"}),
        ("budgetai_convert", {"budgetai", "budgetai_server", "budgetai_training"}),
    ],
)
def test_packages_share_the_core_alone(package: str, others: set[str]) -> None:
    """Lazy imports count, too."""
    for file in modules(package):
        assert not {name.split(".")[0] for name in imports(file)} & others, file


def test_the_core_and_the_server_know_no_torch() -> None:
    for file in modules("budgetai", "budgetai_core", "budgetai_server"):
        used = {name.split(".")[0] for name in imports(file)}
        assert not used & {"torch", "transformers", "peft"}, file


@pytest.mark.parametrize(
    ("folder", "libraries", "packages"),
    [
        (CONTEXT, {"rapidfuzz", "tree_sitter"}, ("budgetai_core.context",)),
        (
            DOCSTRINGS,
            {"rapidfuzz", "tree_sitter"},
            ("budgetai_core.context", "budgetai_core.docstrings"),
        ),
    ],
)
def test_prompts_and_docstrings_are_pure(
    folder: Path, libraries: set[str], packages: tuple[str, ...]
) -> None:
    """They depend on text alone: no model, no file, no editor."""
    for file in sorted(folder.rglob("*.py")):
        for name in imports(file):
            first = name.split(".")[0]
            own = name.startswith(packages)
            assert own or first in sys.stdlib_module_names or first in libraries, (file, name)
            assert first not in SIDE_EFFECTS, (file, name)
        calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "open"], file


def dotted(file: Path) -> str:
    package = next(folder for folder in PACKAGES.values() if file.is_relative_to(folder))
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def import_graph(*, top_only: bool) -> dict[str, set[str]]:
    """The modules that each module imports, by their dotted names."""
    files = {dotted(file): file for file in modules(*PACKAGES)}
    graph: dict[str, set[str]] = {}
    for module, file in files.items():
        names = imports(file, top_only=top_only)
        graph[module] = {n if n in files else n.rpartition(".")[0] for n in names} & set(files)
    return graph


def check_acyclic(graph: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def visit(node: str, path: tuple[str, ...]) -> None:
        assert node not in path, " → ".join((*path, node))
        if node not in done:
            for target in graph[node] - {node}:
                visit(target, (*path, node))
            done.add(node)

    for node in graph:
        visit(node, ())


def test_no_import_cycle_between_modules() -> None:
    check_acyclic(import_graph(top_only=True))


def test_no_import_cycle_between_packages() -> None:
    """A folder is one thing here; a module directly in an import package stands for itself. Lazy
    imports count, too."""
    graph = import_graph(top_only=False)
    folders = {dotted(file.parent / "__init__.py") for file in modules(*PACKAGES)}

    def unit(module: str) -> str:
        inner = module in folders or module.count(".") < 2
        return module if inner else module.rpartition(".")[0]

    units: dict[str, set[str]] = {unit(module): set() for module in graph}
    for module, targets in graph.items():
        units[unit(module)] |= {unit(target) for target in targets}
    check_acyclic(units)


def test_a_module_name_has_one_meaning() -> None:
    # The same thing in several packages: a command line, its options, its story.
    shared = {"cli", "options", "service", "server", "__init__", "__main__"}
    # Of text, and of samples as tokens; of files, and of suggestions; a loaded model; a story told.
    shared |= {"encoding", "filters", "model", "pipeline"}
    stems = [file.stem for file in modules(*PACKAGES) if file.stem not in shared]
    assert not {stem for stem in stems if stems.count(stem) > 1}


def test_a_public_class_name_has_one_meaning() -> None:
    bodies = [ast.parse(file.read_text(encoding="utf-8")).body for file in modules(*PACKAGES)]
    names = [node.name for body in bodies for node in body if isinstance(node, ast.ClassDef)]
    public = [name for name in names if not name.startswith("_")]
    assert not {name for name in public if public.count(name) > 1}


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Of a module, and the methods of its public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            yield node


def test_public_functions_say_what_they_raise() -> None:
    """Errors of ours, that is, raised in the function itself."""
    source = ast.parse((PACKAGES["budgetai_core"] / "errors.py").read_text(encoding="utf-8"))
    errors = {node.name for node in source.body if isinstance(node, ast.ClassDef)}
    silent = []
    for file in modules(*PACKAGES):
        for function in public_functions(ast.parse(file.read_text(encoding="utf-8")).body):
            raises = [n.exc for n in ast.walk(function) if isinstance(n, ast.Raise)]
            calls = [exc.func for exc in raises if isinstance(exc, ast.Call)]
            raised = {error.id for error in calls if isinstance(error, ast.Name)}
            if raised & errors and "raise" not in (ast.get_docstring(function) or "").lower():
                silent.append(f"{file.relative_to(ROOT)}:{function.lineno}")
    assert not silent


ARRAY_TYPES = {"Tensor", "NDArray", "ndarray"}
SHAPE = re.compile(r"\((?:|(?:…|[a-zA-Z][\w /]*),[^()]*)\)")


def array_aliases() -> set[str]:
    """Our own names for arrays, as Logits, and those of numpy and torch."""
    names = set(ARRAY_TYPES)
    for file in modules(*PACKAGES):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                subscript = isinstance(node.value, ast.Subscript) and ast.unparse(node.value.value)
                if subscript and subscript.split(".")[-1] in ARRAY_TYPES:
                    names.add(node.targets[0].id)
    return names


def annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        if argument.annotation:
            yield argument.annotation
    if function.returns:
        yield function.returns


def test_public_functions_on_arrays_give_shapes() -> None:
    """As axes in brackets: (n, d), (vocabulary,), (…, d) after any others, () for a number."""
    aliases = array_aliases()
    assert {"Logits", "Floats"} <= aliases
    silent = []
    for file in modules(*PACKAGES):
        for function in public_functions(ast.parse(file.read_text(encoding="utf-8")).body):
            words = {w for a in annotations(function) for w in re.findall(r"\w+", ast.unparse(a))}
            if words & aliases and not SHAPE.search(ast.get_docstring(function) or ""):
                silent.append(f"{file.relative_to(ROOT)}:{function.lineno}")
    assert not silent


MIN_LINES = 60
# Short, with one importer, and better alone. No name comes in here without such a reason.
SHORT = {
    "budgetai_convert.checks.check_texts": "texts, no code",
    "budgetai_convert.formats.lora_gguf": "a file format",
    "budgetai_convert.quantize.calibration": "compared with llama-imatrix by itself",
    "budgetai_convert.quantize.mixed_gguf": "a file format",
    "budgetai_core.context.related_files": "how tests are named in each language",
    "budgetai_core.docstrings.locate_body": "of a body what locate_comment is of what stands above",
    "budgetai_core.repository.pointers": "the file format of Git LFS",
    "budgetai_core.repository.text_shape": "limits with their measurements",
    "budgetai_training.corpus.redaction": "no text of a secret leaves it",
    "budgetai_server.completion.postprocess.indentation": "a step beside the other steps",
    "budgetai_training.evaluation.base_loss": "loads a base, which few dry runs do",
}


def test_a_module_is_long_or_shared() -> None:
    """With under 60 lines and one importer it is a part of that, but for a command's entry."""
    graph = import_graph(top_only=False)
    entries = {"__init__", "__main__", "cli"}
    crumbs = set()
    for file in modules(*PACKAGES):
        importers_of = [m for m, targets in graph.items() if dotted(file) in targets - {m}]
        short = len(file.read_text(encoding="utf-8").splitlines()) < MIN_LINES
        if short and len(importers_of) < 2 and not {file.stem, file.parent.name} & entries:
            crumbs.add(dotted(file))
    assert crumbs - SHORT.keys() == set(), "fold it into its importer"
    assert SHORT.keys() - crumbs == set(), "it is shared, long or gone: take it off the list"


@pytest.mark.parametrize("extra", ["server", "gateway", "training", "convert"])
def test_every_import_is_declared(extra: str) -> None:
    """In the dependencies, or in the extra whose package imports it, by way of the core or not. The
    gateway is a package of the server, and an extra of its own."""
    graph = import_graph(top_only=False)
    gateway = {module for module in graph if module.startswith("budgetai_server.gateway")}
    reached = {module for module in graph if module.startswith(f"budgetai_{extra}")} - gateway
    reached = gateway if extra == "gateway" else reached
    ahead = list(reached)
    while ahead:
        more = graph[ahead.pop()] - reached
        reached |= more
        ahead += more
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras[extra]]
    # An extra may stand on another.
    named = {match[1] for line in wanted if (match := re.fullmatch(r"budgetai\[(\w+)\]", line))}
    wanted += [line for name in named for line in extras[name]]
    declared = {_distribution(re.split(r"[<>=\[; ]", line)[0]) for line in wanted}
    owners = packages_distributions()
    for file in modules(*PACKAGES):
        for name in imports(file) if dotted(file) in reached else ():
            first = name.split(".")[0]
            if first not in sys.stdlib_module_names and first not in PACKAGES:
                owned_by = {_distribution(owner) for owner in owners.get(first, [first])}
                assert owned_by & declared, (file, first)


def test_the_one_command_loads_without_an_extra() -> None:
    """It is what says that one is missing."""
    graph = import_graph(top_only=True)
    reached = {module for module in graph if module.split(".")[0] == "budgetai"}
    ahead = list(reached)
    while ahead:
        more = graph[ahead.pop()] - reached
        reached |= more
        ahead += more
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {_distribution(re.split(r"[<>=\[; ]", line)[0]) for line in project["dependencies"]}
    owners = packages_distributions()
    for file in modules(*PACKAGES):
        for name in imports(file, top_only=True) if dotted(file) in reached else ():
            first = name.split(".")[0]
            if first not in sys.stdlib_module_names and first not in PACKAGES:
                owned_by = {_distribution(owner) for owner in owners.get(first, [first])}
                assert owned_by & declared, (file, first)


def _distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_module_is_too_long() -> None:
    sources = [*modules(*PACKAGES), *(ROOT / "tests").rglob("*.py")]
    assert not [f for f in sources if len(f.read_text().splitlines()) > 500]


def test_the_core_loads_no_model_library() -> None:
    code = (
        "import sys, budgetai_core.context.prompt;"
        "heavy = {'llama_cpp', 'llama_cpp.llama_cpp', 'torch', 'numpy', 'pygls', 'httpx2'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "module",
    [
        "budgetai_server.cli.server",
        "budgetai_training",
        "budgetai_convert",
        "budgetai_server.cli.evaluate",
        "budgetai_server.cli.docstring",
        "budgetai_server.cli.promote",
        "budgetai_server.cli.demo",
        "budgetai_server.gateway.cli",
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
        "heavy |= {'httpx2', 'starlette', 'uvicorn', 'llama_cpp.llama_cpp'}\n"
        "sys.exit(code or (str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "--" in done.stdout
