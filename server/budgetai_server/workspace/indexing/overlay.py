"""Open documents that say something else than their files: their text is what counts."""

import asyncio
from contextlib import suppress

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language
from budgetai_core.context.symbols import FileSymbols, symbols_of_tree
from budgetai_core.repository.source_text import is_notebook

# Seconds without a further key.
_QUIET_SECONDS = 0.3
# What is larger takes a second to read, and is read again when it is saved.
_MAX_FOLLOWED_CHARACTERS = 400_000


class UnsavedBuffers:
    """The texts of edited documents by path, on their way into an index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._texts: dict[str, str] = {}
        self._parsed: dict[str, ParsedDocument] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}

    def edited(self, path: str, text: str) -> None:
        """Take in a text after a moment, or the one that comes after it. Of a notebook an editor
        has single cells, or what is around them."""
        if is_notebook(path):
            return
        self._texts[path] = text
        self._stop(path)
        self._waiting[path] = asyncio.get_running_loop().create_task(self._take(path))

    def text(self, path: str) -> str | None:
        """Return the text that a document was last edited to; None where it was not."""
        return self._texts.get(path)

    def holds(self, path: str) -> bool:
        return path in self._texts

    def retry(self, path: str) -> None:
        """Follow the edits of a file that has come into the index."""
        if path in self._texts and path not in self._waiting:
            self.edited(path, self._texts[path])

    def closed(self, path: str) -> bool:
        """Forget a document. Whether it had been edited."""
        self._stop(path)
        self._parsed.pop(path, None)
        return self._texts.pop(path, None) is not None

    async def settled(self) -> None:
        while self._waiting:
            await asyncio.wait(list(self._waiting.values()))

    def close(self) -> None:
        for path in list(self._waiting):
            self._stop(path)

    def _stop(self, path: str) -> None:
        if task := self._waiting.pop(path, None):
            task.cancel()

    async def _take(self, path: str) -> None:
        await asyncio.sleep(_QUIET_SECONDS)
        text = self._texts[path]
        # What gets in at all is decided from files on disk.
        if path in self._index and len(text) <= _MAX_FOLLOWED_CHARACTERS:
            language = self._index.language(path)
            before = self._parsed.get(path)
            parsed, symbols = await asyncio.to_thread(_parse, language, text, before)
            self._parsed[path] = parsed
            if path in self._index:
                self._index.update(path, text, symbols, language)
        with suppress(KeyError):
            del self._waiting[path]


def _parse(
    language: Language | None, text: str, before: ParsedDocument | None
) -> tuple[ParsedDocument, FileSymbols]:
    parsed = before.edited(text) if before else ParsedDocument.of(text, language)
    return parsed, symbols_of_tree(parsed)
