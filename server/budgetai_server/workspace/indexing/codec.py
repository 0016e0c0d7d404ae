"""Facts as text, to be stored and sent."""

import json
from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from sys import intern
from typing import Any

from budgetai_core.context.symbols import Definition, FileSymbols, Import

_definition = attrgetter(*(field.name for field in fields(Definition)))
_import = attrgetter(*(field.name for field in fields(Import)))


def encode(facts: FileSymbols) -> str:
    """JSON: definitions and imports as rows of their fields, references in order."""
    rows = [_definition(one) for one in facts.definitions], [_import(one) for one in facts.imports]
    return json.dumps((*rows, sorted(facts.references)), separators=(",", ":"))


def decode(text: str) -> FileSymbols | None:
    """What `encode` was given; None for what it never wrote."""
    try:
        definitions, imports, references = json.loads(text)
        return FileSymbols(
            tuple(Definition(*_values(row)) for row in definitions),
            tuple(Import(*_values(row)) for row in imports),
            # The same words stand in many files.
            frozenset(map(intern, references)),
        )
    except (ValueError, TypeError, RecursionError):
        return None


def _values(row: Iterable[Any]) -> Iterable[Any]:
    return (tuple(value) if isinstance(value, list) else value for value in row)
