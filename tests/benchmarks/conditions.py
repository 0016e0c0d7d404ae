"""What a prompt may show: the text before the cursor, all of the file, or other files too."""

from dataclasses import dataclass, replace

from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.context.retrieval import SOURCES
from budgetai_core.context.window import WindowLimits
from budgetai_core.errors import OptionError

FILE = "file"
"""The condition that others are compared to."""


@dataclass(frozen=True)
class Condition:
    """How much of each part is shown, and where what is shown of other files comes from."""

    name: str
    limits: WindowLimits
    sources: tuple[str, ...] = ()

    def prompt(self, snapshot: Snapshot, index: Index) -> Prompt:
        return prompts.build(snapshot, index, self.limits, sources=self.sources)


def conditions(limits: WindowLimits) -> dict[str, Condition]:
    """All conditions by name: `wide` shows more of the file instead of other files, each source
    is added alone to what `file` shows, and `all` is what the server does."""
    file = replace(limits, chunks=0)
    found = [
        Condition("before", replace(file, after=0)),
        Condition(FILE, file),
        Condition("wide", replace(file, before=limits.before + limits.chunks)),
        *(Condition(source, limits, (source,)) for source in SOURCES),
        Condition("all", limits, SOURCES),
    ]
    return {condition.name: condition for condition in found}


def named(names: str, limits: WindowLimits) -> list[Condition]:
    """Those of a list with commas, FILE among them in any case. Raises OptionError."""
    known = conditions(limits)
    asked = [FILE, *names.split(",")] if names else list(known)
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise OptionError(f"no condition {', '.join(unknown)}", f"Use {', '.join(known)}")
    return [condition for name, condition in known.items() if name in asked]


def limits_of(text: str) -> WindowLimits:
    """BEFORE,AFTER,CHUNKS in characters. Raises OptionError."""
    if not text:
        return WindowLimits()
    try:
        before, after, chunks = map(int, text.split(","))
    except ValueError:
        raise OptionError(f"--limits {text} is not three numbers", "Write 2400,800,600") from None
    if min(before, after, chunks) < 0:
        raise OptionError(f"--limits {text} is below zero", "Write 2400,800,600")
    return WindowLimits(before, after, chunks)
