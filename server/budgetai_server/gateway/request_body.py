"""The body of a request: what is read of it has to be what its path asks for.

Fields that nobody reads are not looked at: plugins send many. One that is null is as if it were not
there.
"""

import json
from collections.abc import Mapping
from typing import Any


class BodyError(ValueError):
    """A body that is not what its path asks for. Its words name the field."""


class Fields:
    """The fields of a JSON object. What returns one of them raises BodyError where it is of another
    type."""

    def __init__(self, fields: Mapping[str, Any], inside: str = "") -> None:
        """Read an object that stands in the field `inside` of another, if it names one."""
        self._fields = fields
        self._inside = inside

    def __contains__(self, key: str) -> bool:
        return self._fields.get(key) is not None

    def text(self, key: str, *, needed: bool = False) -> str:
        """Return a text, empty where there is none. Raises BodyError where it is `needed`."""
        if key not in self and needed:
            raise BodyError(f"{self._inside}{key} is missing")
        value = self._typed(key, str, "a text") or ""
        # JSON can hold halves of characters, which no tokenizer takes.
        return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def single_text(self, key: str, *, needed: bool = False) -> str:
        """Return a text that may stand in a list of its own."""
        value = self._fields.get(key)
        if not isinstance(value, list):
            return self.text(key, needed=needed)
        if len(value) != 1:
            raise BodyError(f"{self._inside}{key} is a list of {len(value)}, not one text")
        return Fields({key: value[0]}, self._inside).text(key, needed=True)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one alone need not stand in a list."""
        value = self._fields.get(key)
        texts = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise BodyError(f"{self._inside}{key} is neither a text nor a list of texts")
        return tuple(texts)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._typed(key, bool, "true or false")
        return default if value is None else bool(value)

    def number(self, key: str) -> float | None:
        value = self._fields.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise BodyError(f"{self._inside}{key} is not a number")
        return value

    def part(self, key: str) -> "Fields":
        """Return the fields of an object in a field; none of them where there is none."""
        return Fields(self._typed(key, dict, "an object") or {}, f"{self._inside}{key}.")

    def parts(self, key: str) -> list["Fields"]:
        """Return the fields of each object in a list."""
        value = self._typed(key, list, "a list") or []
        if not all(isinstance(part, dict) for part in value):
            raise BodyError(f"{self._inside}{key} is not a list of objects")
        return [Fields(part, f"{self._inside}{key}[{at}].") for at, part in enumerate(value)]

    def _typed(self, key: str, kind: type, words: str) -> Any:
        value = self._fields.get(key)
        if value is None or isinstance(value, kind):
            return value
        raise BodyError(f"{self._inside}{key} is not {words}")


def parse(body: bytes) -> Fields:
    """Return the fields of a body. Raises BodyError where it is not a JSON object in UTF-8, which
    has no NaN."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise BodyError(f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise BodyError(f"the body is not JSON: {error.msg}, {at}") from None
    except RecursionError:
        raise BodyError("the body is nested too deeply") from None
    except BodyError:
        raise
    except ValueError:
        # An integer of thousands of digits.
        raise BodyError("the body holds a number that is too long") from None
    if not isinstance(value, dict):
        raise BodyError("the body is not a JSON object")
    return Fields(value)


def _refuse(constant: str) -> None:
    raise BodyError(f"the body is not JSON: {constant} is no number there")
