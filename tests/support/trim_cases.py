"""Cases of trimming as text: a document with its cursor, the raw answer, and what is shown.

    def f(x):
        return x▮« + 1
    def g»
    === + 1

The answer stands between « and » behind the cursor ▮; behind `===` stands what is shown, with all
its lines. `=2=` says that it takes the place of two characters right of the cursor.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from budgetai_core.context.languages import language_of
from budgetai_server.completion.postprocess import CursorContext, Postprocessed, postprocess

FOLDER = Path(__file__).parents[1] / "fixtures" / "postprocess"
_CASE = re.compile(
    r"(?P<before>.*)▮«(?P<answer>.*)»(?P<after>.*)\n=(?P<replaces>\d+|=)=(?P<shown>.*)\n\Z",
    re.DOTALL,
)


@dataclass(frozen=True)
class Case:
    """One fixture. `name` is its path, without the last extension that of the document."""

    name: str
    context: CursorContext
    answer: str
    expected: Postprocessed

    def outcome(self, *, repair: bool = True) -> Postprocessed:
        result = postprocess(self.context, self.answer, whole=True, repair=repair)
        assert result is not None
        return result


def case(path: Path) -> Case:
    """Read a fixture. Raises ValueError where it is none."""
    match = _CASE.match(path.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{path} is not a case: it needs ▮«…» and a line that begins with ===")
    name = path.relative_to(FOLDER).as_posix().removesuffix(".txt")
    context = CursorContext(match["before"], match["after"], language_of(PurePosixPath(name).name))
    replaces = 0 if match["replaces"] == "=" else int(match["replaces"])
    return Case(name, context, match["answer"], Postprocessed(match["shown"], replaces))


CASES = {result.name: result for result in map(case, sorted(FOLDER.rglob("*.txt")))}
