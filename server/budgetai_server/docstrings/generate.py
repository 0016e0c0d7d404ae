"""The story of a docstring: definition → insertion point → prompt → the parts of a form → one edit.

What the signature decides is written here: sections, names, indentation. The model generates the
rest, part by part, after all that is there already. So no model can invent a parameter, and each
part costs no more than what is new in front of it.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from budgetai_core.context import prompt as prompts
from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.docstrings.body import ended, is_code
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.edit import (
    InsertionPoint,
    insertion_point,
    replacement,
    update_point,
    updated,
)
from budgetai_core.docstrings.limits import limits
from budgetai_core.docstrings.lint import lint, stale
from budgetai_core.docstrings.parse.comment_syntax import lead as lead_of
from budgetai_core.docstrings.parse.sections import style_of
from budgetai_core.docstrings.style import QUOTES, DocstringStyle
from budgetai_core.docstrings.template import Free, Literal, clean, template
from budgetai_core.docstrings.update import Update, update
from budgetai_core.errors import BudgetAIError
from budgetai_core.repository.secrets import looks_secret
from budgetai_server.inference.engine import Engine, Usage

# Without a form, for comparison: as many tokens as a long docstring has.
_FREE = Free("docstring", tokens=192, lines=24)
# So many words in which each comes more than half as often say nothing.
_MANY = 8
# A heading, a tag, a session: what begins so has its place elsewhere.
_MARKUP = re.compile(r">>>|@\w|#+ |:\w|```|\w+:\Z")
_CODE = re.compile(r"[=(){}\[\];<>]|:\s")
_STRING = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`")
_WORD = re.compile(r"[^\W_]+")
# Java reads these in comments, and stops where no number follows.
_UNICODE_ESCAPE = re.compile(r"\\+u")


class EmptyAnswerError(BudgetAIError):
    """The model generates no docstring for something."""


@dataclass(frozen=True)
class PendingDocstring:
    """A docstring that can be written. `stale` names what is wrong in one that is there."""

    documentable: Documentable
    stale: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return "Update docstring" if self.documentable.docstring else "Write docstring"


@dataclass(frozen=True)
class DocstringRequest:
    """A definition as a client names it: `start` is where it began when the client was told."""

    kind: str
    owner: str
    name: str
    start: int

    @classmethod
    def of(cls, documentable: Documentable) -> "DocstringRequest":
        return cls(documentable.kind, documentable.owner, documentable.name, documentable.start)

    def find(self, parsed: ParsedDocument) -> Documentable | None:
        """Return the definition of the same name, the nearest where there are several."""
        name = self.kind, self.owner, self.name
        same = (
            documentable
            for documentable in documentables(parsed)
            if (documentable.kind, documentable.owner, documentable.name) == name
        )
        return min(
            same, key=lambda documentable: abs(documentable.start - self.start), default=None
        )


@dataclass(frozen=True)
class Written:
    """One edit: `text` in the place of the characters from `start` up to `end`. `inside` is what
    stands between the marks."""

    start: int
    end: int
    text: str
    inside: str


def pending_docstring(documentable: Documentable, language: Language) -> PendingDocstring | None:
    """Return what there is to do for a definition; None where its docstring says what the code
    does."""
    if documentable.docstring is None:
        return PendingDocstring(documentable)
    wrong = stale(documentable, language)
    return PendingDocstring(documentable, wrong) if wrong else None


def write(
    engine: Engine,
    text: str,
    path: str,
    repository: str,
    documentable: Documentable,
    style: DocstringStyle,
    cancelled: Callable[[], bool] = lambda: False,
    tick: Callable[[str], None] = lambda part: None,
    *,
    free: bool = False,
) -> Written:
    """Write the docstring of a definition of `text`, or bring the one it has up to date.

    `tick` gets the name of each part before it is generated. `free` lets the model generate
    everything, which is good for comparison alone. Raises EmptyAnswerError where the model has
    nothing to say, Cancelled when `cancelled` becomes true, and ModelError if the model fails.
    """
    generator = DocstringGenerator(
        Snapshot(repository, path, text, 0), documentable, style, free=free
    )
    while part := generator.part:
        tick(part)
        generator.generate_part(engine, cancelled)
    return generator.written()


class DocstringGenerator:
    """A docstring while it is written. What was cancelled may be generated again later."""

    def __init__(
        self,
        document: Snapshot,
        documentable: Documentable,
        style: DocstringStyle,
        *,
        free: bool = False,
    ) -> None:
        """Prepare to write. `document` is the text that `documentable` was found in, wherever its
        cursor is."""
        self.document = document
        self.documentable = documentable
        self.style = style = own_style(documentable, style)
        self.inside = ""
        # One for each look at the model: an engine counts up to a limit in it.
        self.usages: list[Usage] = []
        language = document.language
        self._update: Update | None = None
        if documentable.docstring and language and not free:
            self._update = update(document.text, documentable, language)
        self.insertion = self._empty(style)
        self._prompt: Prompt | None = None
        self._descriptions: list[str] = []
        self._parts: deque[Literal | Free] = deque([_FREE] if free else self._form())
        self._write_literals()

    def _empty(self, style: DocstringStyle) -> InsertionPoint:
        if self._update:
            return update_point(self.document.text, self.documentable, self._update)
        return insertion_point(self.document.text, self.documentable, style)

    def _form(self) -> Iterable[Literal | Free]:
        if self._update:
            return self._update.parts
        return template(self.documentable, self.style)

    @property
    def part(self) -> str:
        """Return the name of what is generated next; empty when everything is."""
        first = self._parts[0] if self._parts else None
        return first.name if isinstance(first, Free) else ""

    @property
    def words(self) -> str:
        """Describe for people what is generated next, behind the first line."""
        first = self._descriptions[0] if self._descriptions else ""
        return f"{first} … {self.part}" if first else self.part

    def generate_part(self, engine: Engine, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Generate the next part. Raises EmptyAnswerError where nothing comes of it, and Cancelled;
        then nothing has changed."""
        part = self._parts[0]
        assert isinstance(part, Free)
        words = self._generated(engine, part, cancelled)
        if not self._sensible(part, words) and (verb := self._verb(part)):
            words = self._generated(engine, part, cancelled, verb).removesuffix(verb)
        if not self._sensible(part, words):
            words = _fallback(part.name, self.documentable)
        if not words:
            name = self.documentable.name or self.document.path
            raise EmptyAnswerError(f"the model has nothing to say of {name}")
        self._parts.popleft()
        self._descriptions.append(words)
        self.inside += words
        self._write_literals()

    def written(self, text: str = "", documentable: Documentable | None = None) -> Written:
        """Return the edit, once all parts are generated; of another text where that has the same
        definition."""
        text, documentable = text or self.document.text, documentable or self.documentable
        if self._update:
            edit = updated(text, documentable, self._update, self.inside)
        else:
            edit = replacement(text, documentable, self.style, self.inside)
        return Written(*edit, self.inside)

    def _write_literals(self) -> None:
        while self._parts and isinstance(first := self._parts[0], Literal):
            self.inside += first.text
            self._parts.popleft()

    def _verb(self, part: Free) -> str:
        """Return the word that a summary may begin with by what the signature says, where the
        model's own was not a sentence."""
        if part.name != "summary" or self.inside.strip():
            return ""
        return (
            "Yield" if self.documentable.yields else "Return" if self.documentable.returns else ""
        )

    def _generated(
        self, engine: Engine, part: Free, cancelled: Callable[[], bool], begun: str = ""
    ) -> str:
        """Generate a part that has begun with a word, or with none."""
        shown = self._prompt = self._prompt or self._shown(engine, cancelled)
        prompt = replace(shown, before=shown.before + self.inside + begun)
        text, usage = "", self._usage()
        for piece in engine.generate(prompt, part.tokens, cancelled, usage):
            text += piece.text
            # A line that is empty so far is none: some begin on the line below.
            if text.lstrip().count("\n") >= part.lines or ended(self.insertion, text) < len(text):
                break
        else:
            text = _whole_words(text) if usage.answer_tokens >= part.tokens else text
        start = f"{self.documentable.name} "
        if self.inside.endswith(f" {start}"):
            # A sentence of Go has begun with the name already.
            text = text.strip().removeprefix(start)
        return self._prose(begun + text, part)

    def _prose(self, raw: str, part: Free) -> str:
        """Return what was generated, line by line and each with what stands in front of it, as far
        as it says no more of the code than there is."""
        lead, kept = lead_of(self.insertion.opening), list[str]()
        lines = raw[: ended(self.insertion, raw)].strip().split("\n")[: part.lines]
        if part is _FREE:
            return self._closed("\n".join(lines))
        for line in lines:
            text = clean(line.strip().removeprefix(lead.strip()), self.insertion.closing)
            if self._invents("\n".join([*kept, text])) or self._is_statement(text):
                break
            kept.append(self._fitted(text))
        several = [f"{self.documentable.indent}{lead}{line}".rstrip() for line in kept[1:]]
        return "\n".join([*kept[:1], *several]).rstrip()

    def _fitted(self, words: str) -> str:
        """Return words as they say the same in the docstring that is there: what is new alone
        is."""
        if self._update and self._update.escaped:
            words = words.replace("\\", "\\\\")
        return _UNICODE_ESCAPE.sub("u", words) if self.style.style == "javadoc" else words

    def _closed(self, text: str) -> str:
        """Return what was generated without a template, and the line of the closing mark."""
        if "\n" not in text or not self.insertion.closing:
            return text
        return f"{text}\n{self.documentable.indent}{' ' if self.insertion.opening == '/**' else ''}"

    def _invents(self, text: str) -> bool:
        language = self.document.language
        return language is not None and bool(lint(self.documentable, text, language).invented)

    def _shown(self, engine: Engine, cancelled: Callable[[], bool]) -> Prompt:
        """Return the prompt in front of all parts. It is evaluated exactly: what was spliced for a
        quick completion would be heard in each of them."""
        place = replace(self.document, text=self.insertion.text, cursor=self.insertion.cursor)
        shown = limits(self.document.text, self.documentable, self.insertion)
        prompt = prompts.build(place, limits=shown)
        if engine.ahead:
            engine.warm(prompt, cancelled, self._usage())
        return prompt

    def _usage(self) -> Usage:
        self.usages.append(Usage())
        return self.usages[-1]

    def _sensible(self, part: Free, text: str) -> bool:
        """Return whether a description says anything that is not there already: a name, a
        description, a line of the code, or the same word for ever. What looks like a secret is
        never said."""
        if looks_secret("", text):
            return False
        words = _words(text)
        names = (part.name.partition(" ")[2], self.documentable.name, self.documentable.owner)
        copied = not text.endswith(".") and (self._is_line(text) or self._is_copied(text))
        copied = copied or _MARKUP.match(text) is not None
        if not words or words in map(_words, names) or text in self._descriptions or copied:
            return False
        return len(words) < _MANY or _MANY * len(set(words)) > 2 * len(words)

    def _is_statement(self, line: str) -> bool:
        language = self.document.language
        return language is not None and is_code(line, language)

    def _is_line(self, words: str) -> bool:
        """Return whether it is a line of the document, and neither of a comment nor of a string."""
        text = self.document.text
        line = re.compile(rf"^([ \t]*){re.escape(words)}[ \t]*$", re.MULTILINE)
        places = [match.end(1) for match in line.finditer(text)]
        if not places:
            return False
        parsed = ParsedDocument.of(text, self.document.language)
        return any(cursor_syntax(parsed, place + 1).kind == "code" for place in places)

    def _is_copied(self, words: str) -> bool:
        """Return whether it stands in the definition, its lines perhaps joined, and not as a
        message."""
        code = self.document.text[self.documentable.start : self.documentable.end]
        words, code = _STRING.sub('""', words), _STRING.sub('""', code)
        return _CODE.search(words) is not None and _solid(words) in _solid(code)


def _solid(text: str) -> str:
    return "".join(text.split())


def own_style(documentable: Documentable, style: DocstringStyle) -> DocstringStyle:
    """Return the style of a docstring that is there already, else that of its neighbours."""
    old = documentable.docstring
    if old and old.mark in QUOTES:
        name = style_of(old.text)
        style = replace(style, mark=old.mark, style=style.style if name == "plain" else name)
    return style


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _whole_words(text: str) -> str:
    """Return what was cut short, up to the last sentence that ends in it, or the last word."""
    end = text.rfind(". ")
    return text[: end + 1] if end > 0 else text[: max(text.rfind(" "), text.rfind("\n"), 0)]


def _fallback(part: str, documentable: Documentable) -> str:
    """Return what the signature says, where the model says nothing: a section must not stay
    empty."""
    kind, _, name = part.partition(" ")
    if kind == "parameter":
        return f"the {' '.join(_words(name)) or name}."
    if kind in ("returns", "yields"):
        return f"{documentable.return_type or 'the result'}."
    return "in case of an error." if kind == "raises" else ""
