"""The commits of a repository, one after the other: what each changed, and the tree it began from.

As in `history`, no text difference is asked of git. Memory holds the ids of the commits, and one
tree at a time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from budgetai_core.context.languages import Language
from budgetai_core.repository import git
from budgetai_core.repository.files import MAX_FILE_BYTES, NOT_CODE, Examiner
from budgetai_core.repository.history import tree_blobs
from budgetai_core.repository.language_map import LanguageMap
from budgetai_core.repository.source_text import is_notebook, source_text

# Git's modes of plain files.
_FILES = ("100644", "100755")
# A commit of more files is a migration, an import or a release: nobody typed it line by line.
MAX_FILES = 200


@dataclass(frozen=True)
class FileChange:
    """What a commit made of a file. `before` is None for a new one."""

    path: str
    before: str | None
    after: str
    language: Language | None = field(default=None, compare=False)


def commits_after(root: Path, commit: str) -> list[tuple[str, str]]:
    """Return the commits behind `commit` that lead to HEAD, and the parent of each, the oldest
    first. Merges are left out: what they bring was typed in the commits that they merge."""
    asked = [f"{commit}..HEAD"] if commit else ["HEAD"]
    listed = git.answer(root, "rev-list", "--no-merges", "--parents", "--reverse", *asked, "--")
    rows = (line.decode("ascii").split() for line in listed.splitlines())
    return [(row[0], row[1]) for row in rows if len(row) == 2]


class Replay:
    """The tree of a repository, moved from commit to commit. `left_out` counts files of commits
    by the reason why nothing of them is asked, and commits that changed too many files. `declared`
    has languages by ending or name, as the user says."""

    def __init__(self, root: Path, declared: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._declared = declared
        # By path, of the files that stand in the tree now or did so before.
        self._language: dict[str, Language | None] = {}
        # By path, the blob that stands there now.
        self._tree: dict[str, str] = {}
        self._languages: LanguageMap | None = None
        self.left_out: Counter[str] = Counter()

    def go_to(self, commit: str) -> Iterator[tuple[str, str | None]]:
        """Move the tree to a commit; yield each file that is another now with its text, or None
        where there is none any more or none of use."""
        listed = tree_blobs(self._root, commit)
        may_be_code = self._known_languages(sorted(listed)).may_be_code
        wanted = {p: blob.digest for p, blob in listed.items() if blob.of_use and may_be_code(p)}
        gone = self._tree.keys() - wanted.keys()
        fresh = {path: blob for path, blob in wanted.items() if self._tree.get(path) != blob}
        self._tree = wanted
        yield from ((path, None) for path in sorted(gone))
        yield from self._texts(fresh)

    def _texts(self, blobs: dict[str, str]) -> Iterator[tuple[str, str | None]]:
        contents = git.blobs(self._root, sorted(set(blobs.values())))
        examiner = self._examiner(sorted(blobs))

        def read(path: str) -> tuple[bytes, str]:
            data = contents.get(blobs[path])
            return (b"", "cannot be read") if data is None else (data, "")

        for examined in examiner.examine(sorted(blobs), read):
            self._language[examined.path] = examined.language
            yield examined.path, None if examined.reason else examined.text

    def language(self, path: str) -> Language | None:
        """Return the language of a file that was yielded."""
        return self._language.get(path)

    def changes(self, parent: str, commit: str) -> list[FileChange]:
        """Return what a commit changed in files of code, by path. A renamed file goes on from the
        text it had under its old name; one that only changed its name is left out."""
        rows = list(self._rows(parent, commit))
        if len(rows) > MAX_FILES:
            self.left_out["commit of many files"] += 1
            return []
        blobs = git.blobs(self._root, sorted({blob for row in rows for blob in row[1:] if blob}))
        paths = [path for path, _, _ in rows]
        examiner = self._examiner(paths)
        changes = []
        for path, old, new in rows:
            reason, text, language = self._use(examiner, path, blobs.get(new))
            before = source_text(path, blobs.get(old, b"")) if old else None
            if reason or (before and before.reason):
                self.left_out[reason or (before.reason if before else "")] += 1
            elif before is None or before.text != text:
                changes.append(FileChange(path, before and before.text, text, language))
        return changes

    def _use(
        self, examiner: Examiner, path: str, data: bytes | None
    ) -> tuple[str, str, Language | None]:
        """Return why nothing of a file is asked, or an empty reason and its text and language."""
        if reason := examiner.by_name(path):
            return reason, "", None
        if data is None:
            return "cannot be read", "", None
        if len(data) > MAX_FILE_BYTES:
            return "too large", "", None
        if is_notebook(path):
            # Typed cell by cell, each a document of its own.
            return "notebook", "", None
        source = source_text(path, data)
        reason = source.reason or examiner.by_text(path, source.text)
        language = examiner.languages.language(path, source.text)
        return reason or ("" if language else NOT_CODE), source.text, language

    def _known_languages(self, paths: Sequence[str] = ()) -> LanguageMap:
        """Return what names say of languages. What the first tree is mostly made of stays code."""
        if self._languages is None:
            self._languages = LanguageMap(paths, {}, self._declared)
        return self._languages

    def _examiner(self, paths: Sequence[str]) -> Examiner:
        return Examiner(self._root, paths, self._declared, usual=self._known_languages().usual)

    def _rows(self, parent: str, commit: str) -> Iterator[tuple[str, str, str]]:
        """Yield path, old blob ("" for a new file) and new blob of each file of code that a commit
        added, changed or renamed with a change."""
        asked = ("--no-commit-id", "--raw", "-r", "-z", "--full-index", "-M", "--no-ext-diff")
        answer = git.answer(
            self._root, "diff-tree", *asked, "--no-textconv", "--end-of-options", parent, commit
        )
        fields = answer.decode("utf-8", "surrogateescape").split("\0")
        at = 0
        while at < len(fields) and fields[at].startswith(":"):
            old_mode, new_mode, old, new, status = fields[at][1:].split()
            renamed = status[0] in "RC"
            path = fields[at + 2] if renamed else fields[at + 1]
            at += 3 if renamed else 2
            may_be_code = self._known_languages().may_be_code(path)
            if new_mode not in _FILES or not may_be_code:
                self.left_out["not a file" if may_be_code else NOT_CODE] += 1
            elif status[0] == "A" or old_mode not in _FILES:
                yield path, "", new
            elif old != new:
                yield path, old, new
            else:
                self.left_out["renamed only" if renamed else "mode only"] += 1
