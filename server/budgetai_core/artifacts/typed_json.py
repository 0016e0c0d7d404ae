"""JSON files as records: frozen dataclasses whose values are of the types they declare.

Keys that a record does not have are passed over, so that a version reads what a newer one wrote;
what an older one did not write has a default.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")
_NOT_FINITE = ("nan", "inf", "-inf")


def structured(kind: type[T], values: object) -> T:
    """Return `values`, as JSON has them, as a record. Raises ValueError that names the first key
    that is missing or has a value of another type: `base.digest is missing`."""
    # Imported here: --help reads no file, and must not wait for it.
    from cattrs import BaseValidationError, transform_error

    try:
        return _converter().structure(values, kind)
    except BaseValidationError as error:
        first = transform_error(error, format_exception=_described)[0]
    except ValueError as error:
        first = f"{error} @ $"
    message, _, path = first.rpartition(" @ ")
    raise ValueError(f"{path.removeprefix('$').removeprefix('.')} {message}".strip())


def _described(error: BaseException, _: type | None) -> str:
    return "is missing" if isinstance(error, KeyError) else str(error)


@functools.cache
def _converter() -> "Converter":
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn

    converter = Converter()
    for plain in (bool, int, float, str):
        converter.register_structure_hook(plain, _plain)

    def record(kind: Any) -> Any:
        structure = make_dict_structure_fn(kind, converter)
        return lambda value, _: structure(_only(Mapping, value), kind)

    def sequence(value: Any, kind: Any) -> Any:
        of: Any = GenericAlias(list, get_args(kind)[:1])
        return tuple(converter.structure(_only(list, value), of))

    def table(value: Any, kind: Any) -> Any:
        of: Any = GenericAlias(Mapping, get_args(kind))
        return dict(converter.structure(_only(Mapping, value), of))

    def made_of(origin: Any) -> Callable[[Any], bool]:
        return lambda kind: get_origin(kind) is origin

    converter.register_structure_hook_factory(dataclasses.is_dataclass, record)
    for origin, hook in ((Literal, _literal), (tuple, sequence), (dict, table)):
        converter.register_structure_hook_func(made_of(origin), hook)
    return converter


def _plain(value: Any, kind: type) -> Any:
    """Return a value of this very type. Any number is a float; JSON has no word for some of
    them."""
    if kind is float and (type(value) in (int, float) or value in _NOT_FINITE):
        try:
            return float(value)
        except OverflowError:
            return _refuse(value)
    return value if type(value) is kind else _refuse(value)


def _literal(value: Any, kind: Any) -> Any:
    choices = get_args(kind)
    return value if value in choices else _refuse(value, " or ".join(filter(None, choices)))


def _only(kind: type, value: Any) -> Any:
    return value if isinstance(value, kind) else _refuse(value)


def _refuse(value: Any, instead: str = "") -> Any:
    shown = json.dumps(value, default=repr)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise ValueError(f"cannot be {shown}" + (f": write {instead}" if instead else ""))
