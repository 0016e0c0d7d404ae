"""Which files of a repository a file imports, told by its imports and by paths alone.

It guesses as a reader would: nothing is run, no build file is read. An import that names no file
of the repository is left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from posixpath import dirname, join, normpath, splitext

from budgetai_core.context.languages import language_of
from budgetai_core.context.path_suffixes import PathSuffixes
from budgetai_core.context.symbols import Import

# No one writes more by hand, and a key waits for what is made of them.
_MAX_IMPORTS, _MAX_PARTS = 1_000, 64
_ECMA_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mts", ".cts", ".mjs", ".cjs")
# What a script puts before a path that is meant to be beside it.
_SHELL_FOLDER = re.compile(r"""^["']?(?:\$\{?\w+\}?|\$\([^()]{0,200}\)|`[^`]{0,200}`)["']?/""")


def targets(imports: Iterable[Import], path: str, paths: PathSuffixes) -> tuple[str, ...]:
    """Return what a file imports, in the order of its imports: paths, and folders (ending in a
    slash) where an import takes all files of a folder at once."""
    language = language_of(path)
    resolve = _RESOLVERS.get(language.name) if language else None
    if resolve is None:
        return ()
    resolved = (
        target
        for statement in islice(imports, _MAX_IMPORTS)
        for target in resolve(statement, path, paths)
    )
    return tuple(dict.fromkeys(target for target in resolved if target and target != path))


def files(imports: Iterable[Import], path: str, paths: PathSuffixes) -> tuple[str, ...]:
    """Return what `targets` does, with the files of the folders in their place."""
    listed: dict[str, None] = {}
    for target in targets(imports, path, paths):
        inner = paths.inside(target) if target.endswith("/") else [target]
        listed.update(dict.fromkeys(name for name in inner if name != path))
    return tuple(listed)


_Targets = Iterator[str | None]


def _python(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.lstrip(".")
    dots = len(statement.module) - len(name)
    base = name.replace(".", "/")
    if dots > path.count("/") + 1:
        return
    if dots:
        folder = path
        for _ in range(dots):
            folder = dirname(folder)
        base = join(folder, base)
    # `from package import module` names a file, `from module import thing` does not.
    names = [name for name in statement.names[:_MAX_PARTS] if name != "*"]
    inner = [_module(join(base, name), path, paths, dots) for name in names]
    yield from inner if any(inner) else [_module(base, path, paths, dots)]


def _module(name: str, importer: str, paths: PathSuffixes, dots: int) -> str | None:
    tail = name.rstrip("/")
    endings = (".py", ".pyi", "/__init__.py")
    if dots:
        return paths.first((tail + ending).lstrip("/") for ending in endings)
    for ending in endings if tail else ():
        near = paths.near(tail + ending, importer)
        outer = dirname(near[: -len(tail + ending)] + "x") if near else ""
        # Inside a package a module has a longer name; `json` is not `package/json.py`.
        if near and not (outer and join(outer, "__init__.py") in paths):
            return near
    return None


def _ecma(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.strip("\"'`")
    if not name.startswith("."):
        return
    target = normpath(join(dirname(path), name))
    # TypeScript may import x.ts under the name it will have, x.js.
    stems = (target, splitext(target)[0] if name.endswith("js") else target)
    yield paths.first(
        [target, *(f"{stem}{end}" for stem in stems for end in _ECMA_ENDINGS)]
        + [f"{target}/index{end}" for end in _ECMA_ENDINGS]
    )


def _go(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.strip('"`')
    # The first part is the module's own name; what follows may be a folder of it.
    folder = next((tail for tail in _tails(name) if paths.has_folder(tail)), name)
    yield f"{folder}/" if folder not in (name, dirname(path)) else None


def _java(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.removeprefix("static ").strip()
    tail = name.removesuffix(".*").replace(".", "/")
    if name.endswith(".*") or "*" in statement.names:
        yield paths.folder(tail)
    # A static import names a member of a class.
    for ending in (".java", ".kt"):
        yield paths.near(tail + ending, path) or paths.near(dirname(tail) + ending, path)


def _kotlin(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    """Resolve by package. Folders often leave out the packages that all files share; a function may
    be anywhere in its package."""
    parts = statement.module.removesuffix(".*").split(".")
    every = statement.module.endswith(".*") or "*" in statement.names
    for tail in _tails("/".join(parts)):
        if "/" not in tail:
            return
        owner = dirname(tail)
        target = None if every else _first_near((f"{tail}.kt", f"{tail}.java"), path, paths)
        target = target or paths.folder(tail if every else owner)
        if target or "/" not in owner:
            yield target or _first_near((f"{owner}.kt",), path, paths)
            return


def _first_near(tails: Iterable[str], path: str, paths: PathSuffixes) -> str | None:
    return next((near for tail in tails if (near := paths.near(tail, path))), None)


def _rust(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    stem = splitext(path)[0]
    here = dirname(path) if stem.rpartition("/")[2] in ("lib", "main", "mod") else stem
    crate = f"{path.partition('src/')[0]}src" if "src/" in path else dirname(path)
    starts = {"crate": crate, "self": here, "super": dirname(here)}
    first, *rest = statement.module.split("::")
    outer = rest if first in starts else [first, *rest]
    for name in statement.names[:_MAX_PARTS] or ("",):
        parts = [*outer[:_MAX_PARTS], name] if name else outer[:_MAX_PARTS]
        inner = [join(starts.get(first, here), *parts[:n]) for n in range(len(parts), 0, -1)]
        yield paths.first(f"{place}{end}" for place in inner for end in (".rs", "/mod.rs"))


def _include(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.strip('"<>')
    # <string.h> is the system's; <project/part.h> may be the project's.
    if statement.module.startswith("<") and "/" not in name:
        return
    beside = normpath(join(dirname(path), name))
    yield beside if beside in paths else paths.near(name, path)


def _ruby(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.strip("\"'").removesuffix(".rb") + ".rb"
    yield _beside(name, path, paths) or (None if name[0] == "." else paths.near(name, path))


def _lua(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = statement.module.strip("\"'[]").replace(".", "/")
    yield _first_near((f"{name}.lua", f"{name}/init.lua"), path, paths)


def _bash(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    name = _SHELL_FOLDER.sub("", statement.module).strip("\"'")
    yield _beside(name, path, paths) or (None if name[:1] == "." else paths.near(name, path))


def _beside(name: str, path: str, paths: PathSuffixes) -> str | None:
    return paths.first([normpath(join(dirname(path), name))])


def _php(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    """Resolve `use` and `require`. `use` names a class, of which a first part may stand for a
    folder (PSR-4); `require` a file."""
    name = statement.module.strip("\"'").lstrip("/\\")
    if name.endswith(".php"):
        yield _beside(name, path, paths) or paths.near(name, path)
        return
    for last in statement.names[:_MAX_PARTS] if "\\" in name and "*" not in statement.names else ():
        yield _class(f"{name}\\{last}", path, paths)
    yield _class(name, path, paths)


def _class(name: str, path: str, paths: PathSuffixes) -> str | None:
    # One part alone, `Exception`, tells nothing.
    tails = (tail for tail in _tails(name.replace("\\", "/")) if "/" in tail)
    return _first_near((f"{tail}.php" for tail in tails), path, paths)


def _csharp(statement: Import, path: str, paths: PathSuffixes) -> _Targets:
    """Resolve by namespace, which is usually a folder, without the first parts, which name the
    project."""
    name = statement.module.removeprefix("static ").rpartition("=")[2].strip()
    if name.split(".")[0] in ("System", "Microsoft"):
        return
    tail = name.replace(".", "/")
    long = (end for end in _tails(tail) if "/" in end)
    last = tail.rpartition("/")[2]
    beside = (place for above in _above(path) if paths.has_folder(place := join(above, last)))
    namespace_folder = next((folder for end in long if (folder := paths.folder(end))), None)
    yield namespace_folder or next((f"{place}/" for place in beside), None)


def _above(path: str) -> Iterator[str]:
    """Yield the folders above a file, the nearest first."""
    while path:
        path = dirname(path)
        yield path


_RESOLVERS: dict[str, Callable[[Import, str, PathSuffixes], _Targets]] = {
    "python": _python,
    **dict.fromkeys(("javascript", "typescript", "tsx"), _ecma),
    "go": _go,
    "java": _java,
    "kotlin": _kotlin,
    "rust": _rust,
    **dict.fromkeys(("c", "cpp"), _include),
    "ruby": _ruby,
    "lua": _lua,
    "bash": _bash,
    "php": _php,
    "csharp": _csharp,
}


def _tails(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(min(len(parts), _MAX_PARTS)))
