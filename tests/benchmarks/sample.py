"""A repository with its places, and the question that each condition makes of each place."""

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from conditions import Condition
from places import Place, places

from budgetai_core import repository
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.errors import RepositoryError
from budgetai_core.repository.added_lines import Range
from budgetai_core.repository.history import added_since


class Choice(Protocol):
    """The options that decide on the places."""

    @property
    def holes(self) -> int: ...
    @property
    def per_file(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def since(self) -> str: ...


@dataclass(frozen=True)
class Question:
    """A place under a condition, and the prompt that follows."""

    repository: str
    place: Place
    condition: str
    prompt: Prompt

    @property
    def snapshot(self) -> Snapshot:
        return self.place.span.snapshot(self.repository)

    def known(self) -> dict[str, Any]:
        """What is said of it without a model."""
        return {
            "repository": self.repository,
            "path": self.place.span.path,
            "condition": self.condition,
            "shown": any(self.place.named_in(chunk.text) for chunk in self.prompt.chunks),
        }


@dataclass(frozen=True)
class Sample:
    """One repository. `fresh` has the ranges that count as new, by path."""

    name: str
    texts: Mapping[str, str]
    index: Index
    places: Sequence[Place]
    fresh: Mapping[str, Sequence[Range]]
    seed: int

    @classmethod
    def of(cls, folder: Path, options: Choice) -> "Sample":
        """Raises RepositoryError where there is no place."""
        root = repository.open_repository(folder)
        files, _ = repository.sources(root)
        texts = {file.path: file.text for file in files}
        fresh = added_since(root, options.since, files) if options.since else {}
        index = Index(texts.items())
        found = places(
            texts.items(),
            index,
            options.holes,
            per_file=options.per_file,
            seed=options.seed,
            within=fresh if options.since else None,
        )
        if not found:
            raise RepositoryError(f"no line of {folder} needs another file", "Name another --repo")
        print(f"{root.name}: {len(files)} files, {len(found)} places", file=sys.stderr)
        return cls(root.name, texts, index, found, fresh, options.seed)

    def questions(self, compared: Sequence[Condition]) -> Iterator[Question]:
        """All places under all conditions. The index has each file as it is without what is
        missing there."""
        for number, place in enumerate(self.places):
            path = place.span.path
            snapshot = place.span.snapshot(self.name)
            self.index.update(path, snapshot.text)
            self._edit(path, number)
            for condition in compared:
                prompt = condition.prompt(snapshot, self.index)
                yield Question(self.name, place, condition.name, prompt)
            self.index.update(path, self.texts[path])

    def _edit(self, path: str, number: int) -> None:
        """Someone has been at the new lines of the other files, in any order."""
        others = [(p, low) for p, ranges in self.fresh.items() for low, _ in ranges if p != path]
        self.index.recent = ()
        for other, start in random.Random(self.seed + number).sample(others, min(8, len(others))):
            self.index.edited(other, self.texts[other].count("\n", 0, start))
