"""Which files the options leave: globs, and what has changed since a revision."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from budgetai_core.errors import OptionError
from budgetai_core.repository.files import Examined
from budgetai_core.repository.history import CommitTree, resolve
from budgetai_core.repository.language_map import declarations
from budgetai_core.repository.wildmatch import Pattern, Patterns
from budgetai_training.options import TrainOptions

# The option that speaks against a file, or nothing.
PathFilter = Callable[[Examined], str]


def path_filter(root: Path, options: TrainOptions) -> PathFilter:
    """Return the filter that the options ask for. Raises OptionError for a glob, RepositoryError
    for a revision that makes no sense."""
    include = _globs(options.include, "--include")
    exclude = _globs(options.exclude, "--exclude")
    unchanged = (
        _unchanged(root, options.since, declarations(options.language))
        if options.since
        else lambda _: False
    )

    def against(file: Examined) -> str:
        if include is not None and not include.covers(file.path):
            return "--include"
        if exclude is not None and exclude.covers(file.path):
            return "--exclude"
        return "--since" if file.text and unchanged(file) else ""

    return against


def _globs(patterns: Sequence[str], flag: str) -> Patterns | None:
    for pattern in patterns:
        if Pattern.of(pattern) is None:
            raise OptionError(
                f"{flag} '{pattern}' is not a glob", "Write it as in .gitignore: src/, *.gen.py"
            )
    return Patterns(patterns) if patterns else None


def _unchanged(
    root: Path, revision: str, declared: Mapping[str, str]
) -> Callable[[Examined], bool]:
    """Return a test of whether a file is unchanged: whether its text stood in the repository then,
    under whatever name."""
    then = CommitTree(root, resolve(root, revision), declared).examined(thorough=True)
    texts = {hash(file.text) for file in then}
    return lambda file: hash(file.text) in texts
