"""Which files of a repository a file imports, told by paths alone.

It guesses as a reader would: nothing is run, no build file is read. An import that names no file
of the repository is left out, and a wrong guess only changes the order of samples.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from posixpath import dirname, join, normpath, splitext

from budgetai_server.context.languages import language_of
from budgetai_training.corpus.files import CorpusFile

Graph = Mapping[str, Collection[str]]
"""Imported names by importing name: paths, and folders (ending in a slash) for what imports all
files of a folder at once."""

# Python imports inside a function are there to break a cycle: they are no reason for an order.
_PYTHON = re.compile(
    r"^(?:from[ \t]+(\.{0,20})(\w[\w.]*)?[ \t]+import[ \t]+(\([^)]{0,4000}\)|[^\n#;]+)"
    r"|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"#[^\n]*")
_ECMA = re.compile(r"""(?:\bfrom|\bimport|\brequire)\s{0,9}\(?\s{0,9}["'](\.[^"'\n]{0,300})["']""")
_GO_BLOCK = re.compile(r"^import\s{1,9}(?:\(([^)]{0,4000})\)|([^\n]+))", re.MULTILINE)
_GO_PATH = re.compile(r'"([^"\n]{1,300})"')
_JAVA = re.compile(r"^import\s{1,9}(?:static\s{1,9})?(\w+(?:\.\w+)*)(\.\*)?", re.MULTILINE)
_RUST_MODULE = re.compile(
    r"^[ \t]*(?:pub(?:\([\w ]+\))?[ \t]+)?mod[ \t]+(\w+)[ \t]*;", re.MULTILINE
)
_RUST_USE = re.compile(r"\b(crate|super|self)((?:::\w+)+)")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]{1,300})"', re.MULTILINE)

_ECMA_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mts", ".cts", ".mjs", ".cjs")


class _Paths:
    """The paths of a repository, its folders, and by which tails they can be told."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.all = set(paths)
        self.folders = {dirname(path) for path in self.all}
        self._by_tail = _by_tail(self.all)
        self._folder_by_tail = _by_tail(self.folders)

    def first(self, candidates: Iterable[str]) -> str | None:
        return next((path for path in candidates if path in self.all), None)

    def near(self, tail: str, importer: str) -> str | None:
        """The path that ends so in the importer's folder or the nearest above it; else any."""
        folder = dirname(importer)
        while folder.strip("/") and join(folder, tail) not in self.all:
            folder = dirname(folder)
        nearest = join(folder, tail)
        return nearest if nearest in self.all else self._by_tail.get(tail)

    def folder(self, tail: str) -> str | None:
        """The folder that ends so, as a name in the graph."""
        found = self._folder_by_tail.get(tail)
        return f"{found}/" if found else None


def import_graph(files: Iterable[CorpusFile]) -> Graph:
    """The imports among files of one repository."""
    by_path = {file.path: file for file in files}
    paths = _Paths(by_path)
    graph: dict[str, set[str]] = {}
    for path, file in by_path.items():
        language = language_of(path)
        resolve = _RESOLVERS.get(language.name) if language else None
        found = resolve(file.text, path, paths) if resolve else ()
        graph[path] = {target for target in found if target and target != path}
    for path in sorted(by_path):
        graph.setdefault(dirname(path) + "/", set()).add(path)
    return {name: sorted(targets) for name, targets in graph.items()}


_Targets = Iterator[str | None]


def _python(text: str, path: str, paths: _Paths) -> _Targets:
    for dots, module, names, modules in _PYTHON.findall(text):
        if modules:
            for name in _names(modules):
                yield _module(name.replace(".", "/"), path, paths)
            continue
        base = module.replace(".", "/")
        if dots:
            folder = path
            for _ in dots:
                folder = dirname(folder)
            base = join(folder, base)
        # `from package import module` names a file, `from module import thing` does not.
        inner = [_module(join(base, name), path, paths, dots) for name in _names(names)]
        yield from inner if any(inner) else [_module(base, path, paths, dots)]


def _names(listed: str) -> Iterator[str]:
    for name in _COMMENT.sub("", listed).strip("()").split(","):
        yield from name.split()[:1]


def _module(name: str, importer: str, paths: _Paths, dots: str = "") -> str | None:
    tail = name.rstrip("/")
    endings = (".py", ".pyi", "/__init__.py")
    if dots:
        return paths.first(tail + ending for ending in endings)
    for ending in endings:
        found = paths.near(tail + ending, importer)
        outer = dirname(found[: -len(tail + ending)] + "x") if found else ""
        # Inside a package a module has a longer name; `json` is not `package/json.py`.
        if found and not (outer and join(outer, "__init__.py") in paths.all):
            return found
    return None


def _ecma(text: str, path: str, paths: _Paths) -> _Targets:
    for relative in _ECMA.findall(text):
        target = normpath(join(dirname(path), relative))
        # TypeScript may import x.ts under the name it will have, x.js.
        stems = (target, splitext(target)[0] if relative.endswith("js") else target)
        yield paths.first(
            [target, *(f"{stem}{end}" for stem in stems for end in _ECMA_ENDINGS)]
            + [f"{target}/index{end}" for end in _ECMA_ENDINGS]
        )


def _go(text: str, path: str, paths: _Paths) -> _Targets:
    for block, single in _GO_BLOCK.findall(text):
        for name in _GO_PATH.findall(block or single):
            # The first part is the module's own name; what follows may be a folder of it.
            folder = next((tail for tail in _tails(name) if tail in paths.folders), name)
            yield f"{folder}/" if folder not in (name, dirname(path)) else None


def _java(text: str, path: str, paths: _Paths) -> _Targets:
    for name, every in _JAVA.findall(text):
        tail = name.replace(".", "/")
        if every:
            yield paths.folder(tail)
        # A static import names a member of a class.
        yield paths.near(f"{tail}.java", path) or paths.near(f"{dirname(tail)}.java", path)


def _rust(text: str, path: str, paths: _Paths) -> _Targets:
    stem = splitext(path)[0]
    root = stem.rpartition("/")[2] in ("lib", "main", "mod")
    here = dirname(path) if root else stem
    for name in _RUST_MODULE.findall(text):
        yield paths.first((join(here, f"{name}.rs"), join(here, name, "mod.rs")))
    crate = f"{path.partition('src/')[0]}src" if "src/" in path else dirname(path)
    starts = {"crate": crate, "self": here, "super": dirname(here)}
    for start, names in _RUST_USE.findall(text):
        parts = names.strip(":").split("::")
        inner = [join(starts[start], *parts[:n]) for n in range(len(parts), 0, -1)]
        yield paths.first(f"{name}{end}" for name in inner for end in (".rs", "/mod.rs"))


def _include(text: str, path: str, paths: _Paths) -> _Targets:
    for name in _INCLUDE.findall(text):
        beside = normpath(join(dirname(path), name))
        yield beside if beside in paths.all else paths.near(name, path)


_RESOLVERS: dict[str, Callable[[str, str, _Paths], _Targets]] = {
    "python": _python,
    **dict.fromkeys(("javascript", "typescript", "tsx"), _ecma),
    "go": _go,
    "java": _java,
    "rust": _rust,
    **dict.fromkeys(("c", "cpp"), _include),
}


def _tails(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _by_tail(paths: Iterable[str]) -> dict[str, str]:
    """The path for each of its tails; the first where several have one."""
    return {tail: path for path in sorted(paths, reverse=True) for tail in _tails(path)}
