"""What the replay needs of a side: something that is told of the typing, and asked at pauses."""

from dataclasses import dataclass
from typing import Protocol

from buffer import Buffer, Edit


@dataclass(frozen=True)
class Offer:
    """What is shown at the cursor, empty for nothing; `line` is the whole line with it."""

    text: str = ""
    line: str = ""


@dataclass(frozen=True)
class Cost:
    """What a request, or all of a session, took; None where the side does not say.

    `cached` counts the requests the model had no part in, `own_ms` is the time that was not its.
    """

    cached: int | None = None
    prompt_tokens: int | None = None
    evaluated: int | None = None
    answer_tokens: int | None = None
    answer_seconds: float | None = None
    own_ms: float | None = None
    drafted_tokens: int | None = None
    accepted_tokens: int | None = None


class Side(Protocol):
    """An editor with a server. One request at a time."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int: ...

    async def enter(self, buffer: Buffer, *, first: bool) -> None:
        """The user comes to a file, for the first time or again."""

    async def reopen(self, buffer: Buffer, changed: set[str]) -> None:
        """The user comes to a file as it was at another time; the `changed` ones are other ones on
        disk, too, and no other is open."""

    def jumped(self, buffer: Buffer) -> None:
        """The cursor is at another place of the file."""

    async def leave(self, buffer: Buffer) -> None:
        """The user writes the file and goes to another one."""

    def insert_mode(self, on: bool) -> None: ...

    def edited(self, buffer: Buffer, edit: Edit) -> None:
        """A key was pressed, or an offer taken; `buffer` is as it is after it."""

    async def prepare(self) -> None:
        """Shortly before a request: read counters."""

    async def ask(self, buffer: Buffer) -> Offer:
        """The offer at the cursor. Cancelled when the next key comes first."""

    async def cost(self) -> Cost:
        """Of the last request, which has been answered, and of all work since."""

    async def total(self) -> Cost:
        """Of everything so far, background work included."""

    async def idle(self) -> None:
        """Until no work is under way, at most a few seconds."""
