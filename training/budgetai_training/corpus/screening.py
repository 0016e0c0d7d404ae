"""The files of one repository on their way into a corpus: decided on, noted, without secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, language_of
from budgetai_core.errors import OptionError
from budgetai_core.repository.files import Examined
from budgetai_core.repository.parts import parts
from budgetai_training.corpus.annotations import Note, Notes
from budgetai_training.corpus.filters import PathFilter
from budgetai_training.corpus.records import CorpusFile, CorpusRow, digest, named
from budgetai_training.corpus.redaction import redact

BY_HAND = "by hand"
LOW_CONTENT = "low content"
_MAX_PARSED_CHARACTERS = 40_000
# What stands at the top of a file without saying anything of its own.
_EMPTY = frozenset(
    {
        "block_comment",
        "comment",
        "empty_statement",
        "extern_crate_declaration",
        "future_import_statement",
        "hash_bang_line",
        "import_declaration",
        "import_from_statement",
        "import_statement",
        "line_comment",
        "package_clause",
        "package_declaration",
        "preproc_include",
        "use_declaration",
    }
)


@dataclass(frozen=True)
class CorpusEntry:
    """A file and all that is known of it; `note` is what the user wants, if anything."""

    repository: str
    revision: str
    path: str
    text: str
    reason: str
    note: Note | None = None
    secrets: Mapping[str, int] = field(default_factory=dict)
    language: Language | None = None
    part: int = 0

    @property
    def is_forced(self) -> bool:
        """Whether the user wants the file, whatever speaks against it."""
        return self.note is not None and self.note.include and not self.note.moved

    def name(self, main: str) -> str:
        """Return the name that a corpus with this main repository gives it."""
        return named(main, self.repository, self.path)

    def without(self, reason: str) -> "CorpusEntry":
        return replace(self, reason=reason, secrets={})

    def file(self, fresh: tuple[tuple[int, int], ...] | None = None) -> CorpusFile:
        weight = self.note.weight if self.note else 1.0
        return CorpusFile(
            self.repository, self.path, self.text, weight, fresh, self.language, self.part
        )

    def row(self, part: str) -> CorpusRow:
        language = self.language or language_of(self.path)
        return CorpusRow(
            repository=self.repository,
            path=self.path,
            revision=self.revision,
            language=language.name if language else "",
            lines=len(self.text.splitlines()),
            characters=len(self.text),
            reason=self.reason,
            weight=self.note.weight if self.note else 1.0,
            part="" if self.reason else part,
            secrets=self.secrets,
            digest="" if self.reason else digest(self.text),
        )


@dataclass(frozen=True)
class CorpusSource:
    """Where entries come from: a repository as it is, or at a revision. `against` says which
    option, if any, speaks against a file."""

    repository: str
    revision: str
    notes: Notes
    against: PathFilter

    def entries(self, file: Examined) -> Iterator[CorpusEntry]:
        """Decide on a file, and on each part of a large one. Raises OptionError where the user
        wants what cannot be had."""
        large = not file.reason and parts(file.path, file.text, file.language)
        if not large:
            yield self.entry(file)
            return
        for number, part in enumerate(large, 1):
            text = file.text[part.start : part.end]
            entry = self.entry(replace(file, path=part.name, text=text))
            yield replace(entry, part=number)

    def entry(self, file: Examined) -> CorpusEntry:
        """Decide on a file. Raises OptionError where the user wants what cannot be had."""
        note = self.notes.of(self.repository, file.path, self.revision)
        entry = CorpusEntry(
            self.repository, self.revision, file.path, file.text, file.reason, note,
            language=file.language,
        )  # fmt: skip
        if entry.is_forced and note and file.reason and not file.text:
            raise OptionError(
                f"line {note.line} of the corpus: {file.path} cannot be included: {file.reason}",
                "Write exclude",
            )
        reason = self._reason(entry)
        if reason:
            return entry.without(reason)
        text, secrets = redact(file.text)
        return replace(entry, text=text, secrets=secrets, reason="")

    def _reason(self, entry: CorpusEntry) -> str:
        seen = Examined(entry.path, entry.text, entry.reason)
        if entry.note and not entry.note.include:
            return entry.reason or entry.note.reason or BY_HAND
        if entry.is_forced:
            return self.against(seen)
        low = not entry.reason and low_content(entry.text, entry.language)
        return entry.reason or self.against(seen) or (LOW_CONTENT if low else "")


def low_content(text: str, language: Language | None) -> bool:
    """Return whether there are only imports, comments and lists of what is exported. Languages
    without a grammar are given the benefit of the doubt."""
    parsed = ParsedDocument.of(text[: _MAX_PARSED_CHARACTERS + 1], language)
    if parsed.root is None or len(text) > _MAX_PARSED_CHARACTERS:
        return False
    return all(
        node.type in _EMPTY or _is_export(node.type, parsed.data[node.start_byte : node.end_byte])
        for node in parsed.root.named_children
    )


def _is_export(kind: str, source: bytes) -> bool:
    if kind == "export_statement":
        return b" from " in source
    if kind == "mod_item":
        return b"{" not in source
    # A docstring, or Python's list of names.
    return kind == "expression_statement" and source.lstrip(b"rRbBuU").startswith(
        (b'"', b"'", b"__all__")
    )
