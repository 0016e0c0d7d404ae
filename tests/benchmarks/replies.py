"""What a model says to prompts, kept on disk: nothing is asked twice, and a later call goes on.

One JSON object on a line. A reply is found by the model and all of the prompt, so another trimming
needs no model, and another retrieval only where it shows other text.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.completion.generation import Generation
from budgetai_server.completion.postprocess import is_degenerate
from budgetai_server.completion.render import CompletionPolicy, render
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.inference.engine import Piece
from budgetai_server.inference.local import LocalEngine

LINE, BLOCK = CompletionPolicy(block=0), CompletionPolicy()
UNREPAIRED = CompletionPolicy(repair=False)


@dataclass(frozen=True)
class Reply:
    """The pieces of a raw answer, whether more would have come, and the length of the prompt in
    tokens."""

    pieces: tuple[str, ...]
    ended: bool
    tokens: int

    def shown(self, snapshot: Snapshot, rules: CompletionPolicy) -> Suggestion:
        """What the server offers of it at its place."""
        answer = Generation(snapshot)
        for piece in self.pieces:
            answer.add(Piece(piece))
        answer.ended = self.ended
        found = render(answer, snapshot, rules)
        if found is None:
            # A trimming that wants to see more than there was when the model was asked.
            answer.ended = True
            found = render(answer, snapshot, rules)
        return found or Suggestion("")


class Replies:
    """One model's replies."""

    def __init__(self, file: Path, model: Path, digest: str, *, threads: int = 0) -> None:
        """`digest` is that of the model. It is loaded when it is first asked."""
        self._file = file
        self._model = model
        self._digest = digest
        self._threads = threads
        self._engine: LocalEngine | None = None
        self._known = dict(_read(file)) if file.exists() else {}

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def to(self, prompt: Prompt, snapshot: Snapshot) -> Reply:
        """The reply to a prompt that was built for a place. Raises ModelError."""
        key = self.key(prompt)
        if key not in self._known:
            self._known[key] = self._ask(prompt, snapshot)
            with self._file.open("a", encoding="utf-8") as lines:
                # In front, too: the line before may be half of one.
                lines.write("\n" + json.dumps({"key": key, **asdict(self._known[key])}))
        return self._known[key]

    def close(self) -> None:
        if self._engine:
            self._engine.close()

    def key(self, prompt: Prompt) -> str:
        """The same for prompts that show the same."""
        shown = [astuple(chunk) for chunk in prompt.chunks]
        seen = [self._digest, prompt.repository, prompt.path, shown, prompt.after, prompt.before]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:24]

    def _ask(self, prompt: Prompt, snapshot: Snapshot) -> Reply:
        engine = self._engine = self._engine or LocalEngine(self._model, threads=self._threads)
        answer, pieces = Generation(snapshot), []
        # Exactly: what another place has left in the cache may not change an answer.
        engine.warm(prompt, lambda: False, answer.usage)
        tokens = answer.usage.prompt_tokens
        for piece in engine.generate(prompt, BLOCK.stop.max_tokens, usage=answer.usage):
            answer.add(piece)
            pieces.append(piece.text)
            answer.ended = is_degenerate(answer.after, answer.text)
            if answer.ended or all(render(answer, snapshot, rules) for rules in (LINE, BLOCK)):
                return Reply(tuple(pieces), answer.ended, tokens)
        return Reply(tuple(pieces), answer.usage.answer_tokens < BLOCK.stop.max_tokens, tokens)


def _read(file: Path) -> Iterator[tuple[str, Reply]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        # The last line of a call that was interrupted may be half of one.
        with suppress(ValueError, KeyError):
            found = json.loads(line)
            yield found["key"], Reply(tuple(found["pieces"]), found["ended"], found["tokens"])
