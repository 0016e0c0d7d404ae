"""Which files belong together by their names: a test and what it tests, a header and its source."""

import re
from collections import defaultdict
from posixpath import basename, splitext

# Marks of tests, in front of or behind a name: test_cart, cart_test, cart.spec, CartTests.
_MARK = re.compile(r"^tests?[_-]|[._-](?:tests?|spec)$|(?<=[a-z0-9])(?:Tests?|Spec)$")
# Names that say nothing: every folder has them.
_COMMON = {"__init__", "index", "main", "mod", "lib", "conftest", "setup", "types", "utils"}

# More files of one name are a pattern of the project, not siblings.
_MAX_FILES = 3


def stem(path: str) -> str | None:
    """Return what two siblings have in common; None where that says nothing."""
    name = splitext(basename(path))[0]
    bare = _MARK.sub("", name).lower()
    return bare if len(bare) > 2 and bare not in _COMMON else None


class RelatedFiles:
    """Paths by their stems."""

    def __init__(self) -> None:
        self._paths: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, path: str) -> None:
        if name := stem(path):
            self._paths[name].add(path)

    def remove(self, path: str) -> None:
        if name := stem(path):
            self._paths[name].discard(path)

    def of(self, path: str) -> set[str]:
        """Return the other files with the path's stem, where these are few."""
        others = self._paths.get(stem(path) or "", set()) - {path}
        return others if len(others) <= _MAX_FILES else set()
