"""The docstrings of a whole tree: what is missing, and what the model writes there.

In a file they are written from top to bottom, each seeing those above it. A file is written once
all of its docstrings are said, so that whatever stops the work leaves whole files.
"""

import difflib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from budgetai_core import repository
from budgetai_core.artifacts import base_models, layout
from budgetai_core.context.index import Index
from budgetai_core.context.tree import errors
from budgetai_core.docstrings.style import DocstringStyle
from budgetai_core.errors import ModelError
from budgetai_server.docstrings.audit import Finding, finding, review
from budgetai_server.docstrings.generate import (
    DocstringRequest,
    EmptyAnswerError,
    PendingDocstring,
    Written,
    write,
)
from budgetai_server.docstrings.neighbor_style import neighbor_style
from budgetai_server.docstrings.options import DocstringOptions
from budgetai_server.docstrings.source_files import CodeFile, code_files, save
from budgetai_server.inference.engine import Cancelled, Engine

EngineFor = Callable[[str], Engine]


@dataclass(frozen=True)
class PendingFiles:
    """Files with the docstrings to write in them; `left_out` says what was named but not read."""

    root: Path
    files: tuple[tuple[CodeFile, tuple[PendingDocstring, ...]], ...]
    left_out: tuple[str, ...]

    @property
    def count(self) -> int:
        """Return how many docstrings there are to write."""
        return sum(len(pending) for _, pending in self.files)

    def findings(self) -> list[Finding]:
        return [
            finding(file.path, file.parsed.text, docstring)
            for file, pending in self.files
            for docstring in pending
        ]


@dataclass(frozen=True)
class WrittenFile:
    """What became of a file: docstrings that were asked for and written, and notes for the user."""

    path: str
    asked: int
    written: tuple[Finding, ...]
    diff: str
    notes: tuple[str, ...]


def pending_files(options: DocstringOptions) -> PendingFiles:
    """Read the files. Raises RepositoryError."""
    root = repository.open_repository(options.repo)
    files, left_out = [], []
    update = options.update or options.check
    for file, reason in code_files(root, options.paths):
        if file is None:
            left_out.append(reason)
        elif pending := review(file.path, file.parsed, private=options.private, update=update):
            files.append((file, tuple(pending)))
    return PendingFiles(root, tuple(files), tuple(left_out))


def changes(
    tree: PendingFiles, options: DocstringOptions, tell: Callable[[str], None] = lambda words: None
) -> Iterator[WrittenFile]:
    """Write the docstrings file by file, and with `options.write` save each. Raises ModelError
    where there is no model; an interrupt ends the work as KeyboardInterrupt."""
    if not tree.files:
        return
    engine_for = _open(tree.root, options)
    sources, _ = repository.sources(tree.root)
    index = Index((file.path, file.text) for file in sources)
    with _interruptible() as interrupted:
        author = DocstringWriter(tree.root.name, engine_for, index, interrupted, tell)
        for file, pending in tree.files:
            yield changed(tree.root, author, file, pending, saving=options.write)


def _open(root: Path, options: DocstringOptions) -> EngineFor:
    """Open a model as the server does, with the adapter that is for docstrings."""
    from budgetai_server.loader import open_model
    from budgetai_server.options import ServerOptions

    model = options.model or layout.newest_model(root)
    model = (model and base_models.named_file(model)) or model
    if model is None:
        raise ModelError(
            f"there is no model for {root}",
            "Run budgetai-train and budgetai-convert, or name a file with --model",
        )
    opened = open_model(model, ServerOptions())
    return lambda language: opened.engine_for("docstring", language, root.name)


def changed(
    root: Path,
    author: "DocstringWriter",
    file: CodeFile,
    pending: tuple[PendingDocstring, ...],
    *,
    saving: bool,
) -> WrittenFile:
    """Write the docstrings of a file, and put it in the place of the old one if that is wanted."""
    new, written, notes = author.fill(file, pending)
    if saving and new != file and (reason := _unsaved(root, new)):
        notes.append(f"{file.path}: left as it is: {reason}")
        new, written = file, []
    return WrittenFile(file.path, len(pending), tuple(written), diff(file, new), tuple(notes))


def _unsaved(root: Path, file: CodeFile) -> str:
    """Save a file, or say why that cannot be."""
    try:
        return "" if save(root, file) else "it has changed meanwhile"
    except UnicodeEncodeError as error:
        return f"its encoding {error.encoding} lacks a sign"
    except OSError as error:
        return f"it cannot be written: {error.strerror}"


@dataclass(frozen=True)
class DocstringWriter:
    """Writes docstrings in files of one repository."""

    repository: str
    engine_for: EngineFor
    index: Index
    interrupted: Callable[[], bool]
    tell: Callable[[str], None]

    def fill(
        self, file: CodeFile, pending: tuple[PendingDocstring, ...]
    ) -> tuple[CodeFile, list[Finding], list[str]]:
        """Return the file with all docstrings that the model had words for, what they are, and
        notes."""
        written, notes, moved = list[Finding](), list[str](), 0
        style = neighbor_style(file.parsed, file.path, self.index)
        for docstring in pending:
            request = DocstringRequest.of(docstring.documentable)
            try:
                edit = self._write(file, replace(request, start=request.start + moved), style)
            except EmptyAnswerError as error:
                notes.append(f"{file.path}: {error}")
                continue
            except Cancelled:
                raise KeyboardInterrupt from None
            new = file.with_edit(edit)
            if errors(new.parsed) > errors(file.parsed):
                notes.append(
                    f"{file.path}: no docstring for {request.name}: it would break the code"
                )
                continue
            written.append(finding(file.path, file.parsed.text, docstring))
            moved += len(edit.text) - (edit.end - edit.start)
            file = new
        return file, written, notes

    def _write(self, file: CodeFile, request: DocstringRequest, style: DocstringStyle) -> Written:
        parsed = file.parsed
        documentable = request.find(parsed)
        if documentable is None or parsed.language is None:
            raise EmptyAnswerError(f"{request.name} is not found any more")
        self.tell(f"{file.path} {request.name}")
        engine = self.engine_for(parsed.language.name)
        return write(
            engine, parsed.text, file.path, self.repository, documentable, style,
            self.interrupted,
        )  # fmt: skip


def diff(old: CodeFile, new: CodeFile) -> str:
    """Return a unified diff that `patch` and `git apply` take."""
    # Lines end at \n alone, as for these two; Python would end them at form feeds, too.
    before, after = (list(StringIO(file.source, newline="\n")) for file in (old, new))
    lines = difflib.unified_diff(before, after, f"a/{old.path}", f"b/{old.path}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Tell whether Ctrl-C was pressed. An exception inside of llama.cpp's callbacks would be lost;
    pressed again, it is one."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return

    def note(number: int, frame: Any) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
