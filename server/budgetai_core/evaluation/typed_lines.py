"""Lines as they were typed: into the old text, not cut out of the finished one. Pure functions.

A line that is cut out of a finished file is easy: the text behind it was written after it, and
tells what is missing. Who types has the old text behind the cursor.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.prompt import Snapshot
from budgetai_core.evaluation.spans import worth_a_guess
from budgetai_core.repository.commits import FileChange
from budgetai_core.repository.line_diff import hunks

# A commit that mostly says anew what it takes away, but for spacing and marks, only reformats.
_REFORMATTED_SHARE = 0.8
_MARKS = str.maketrans("", "", " \t\r'\"`,;()")


@dataclass(frozen=True)
class TypedLine:
    """A place at the beginning of a line's text, when it was typed.

    `before` ends with the line's indentation, which editors put in by themselves; `expected` is
    the line's text, `after` the OLD text behind it, from the newline on. `new_file` says that
    there is none, since the file came with the commit; `continues`, that the line above was typed
    just before.
    """

    path: str
    before: str
    expected: str
    after: str
    new_file: bool
    continues: bool
    language: Language | None = None

    def snapshot_above(self, repository: str) -> Snapshot:
        """Return the place as it was when the line above had been typed to its end."""
        above = self.before.rpartition("\n")[0]
        return self._at(repository, above)

    def snapshot(self, repository: str, typed: int = 0) -> Snapshot:
        """Return the place as an editor shows it when `typed` characters of the line are there."""
        before = self.before + self.expected[:typed]
        return self._at(repository, before)

    def _at(self, repository: str, before: str) -> Snapshot:
        text = before + self.after
        return Snapshot(repository, self.path, text, len(before), declared=self.language)


def typed_lines(change: FileChange) -> Iterator[TypedLine]:
    """Yield the lines that the change adds and that are worth a guess, from top to bottom.

    Hunks above a line are in, those below are not. The lines that its own hunk removes are gone
    when its first line is typed. A line that the file loses elsewhere is moved, not typed.
    """
    language = change.language or language_of(change.path, change.after)
    old = [] if change.before is None else change.before.split("\n")
    new = change.after.split("\n")
    changed = list(hunks(old, new))
    removed = {line.strip() for first, last, _, _ in changed for line in old[first:last]}
    for _, old_end, first, last in changed:
        behind = "\n" + "\n".join(old[old_end:]) if old_end < len(old) else ""
        for number in range(first, last):
            line = new[number]
            if not worth_a_guess(line, language) or line.strip() in removed:
                continue
            body = line.lstrip()
            before = "".join(f"{above}\n" for above in new[:number])
            yield TypedLine(
                change.path,
                before + line[: len(line) - len(body)],
                body.rstrip(),
                behind,
                change.before is None,
                number > first,
                language,
            )


def reformats(changes: Sequence[FileChange]) -> bool:
    """Return whether what a commit adds to its files is nearly all what it takes away from them,
    but for spacing, quotes, commas and brackets."""
    added = again = 0
    for change in changes:
        if change.before is None:
            continue
        old, new = change.before.split("\n"), change.after.split("\n")
        for first, last, new_first, new_last in hunks(old, new):
            gone, come = _joined(old[first:last]), _joined(new[new_first:new_last])
            added += len(come)
            again += len(come) if gone == come else 0
    return added > 0 and again >= _REFORMATTED_SHARE * added


def choose(lines: Sequence[TypedLine], count: int, seed: str) -> list[TypedLine]:
    """Return at most `count` lines, drawn evenly, in their order."""
    places = sorted(random.Random(seed).sample(range(len(lines)), min(count, len(lines))))
    return [lines[place] for place in places]


def _joined(lines: Sequence[str]) -> str:
    return "".join(lines).translate(_MARKS)
