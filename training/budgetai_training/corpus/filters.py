"""Which files the options leave: globs, and what has changed since a revision."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pathspec

from budgetai_core.errors import OptionError
from budgetai_core.repository.files import Examined
from budgetai_core.repository.history import Tree, resolve
from budgetai_training.options import TrainOptions

# The option that speaks against a file, or nothing.
Narrowing = Callable[[Examined], str]


def narrowing(root: Path, options: TrainOptions) -> Narrowing:
    """Raises OptionError for a glob, RepositoryError for a revision that makes no sense."""
    include = _globs(options.include, "--include")
    exclude = _globs(options.exclude, "--exclude")
    unchanged = _unchanged(root, options.since) if options.since else lambda _: False

    def against(file: Examined) -> str:
        if include is not None and not include.match_file(file.path):
            return "--include"
        if exclude is not None and exclude.match_file(file.path):
            return "--exclude"
        return "--since" if file.text and unchanged(file) else ""

    return against


def _globs(patterns: Sequence[str], flag: str) -> pathspec.GitIgnoreSpec | None:
    for pattern in patterns:
        try:
            pathspec.GitIgnoreSpec.from_lines([pattern])
        except (ValueError, re.error):
            raise OptionError(
                f"{flag} '{pattern}' is no glob", "Write it as in .gitignore: src/, *.gen.py"
            ) from None
    return pathspec.GitIgnoreSpec.from_lines(patterns) if patterns else None


def _unchanged(root: Path, revision: str) -> Callable[[Examined], bool]:
    """A file is unchanged where its text stood in the repository then, under whatever name."""
    then = Tree(root, resolve(root, revision)).examined(thorough=True)
    texts = {hash(file.text) for file in then}
    return lambda file: hash(file.text) in texts
