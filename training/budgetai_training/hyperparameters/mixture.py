"""The mixture of an epoch: which cuts, in which shares, with how much around them."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast

from budgetai_core.errors import OptionError
from budgetai_training.hyperparameters.span_kinds import KINDS, LINES, NODES

ORDERS = ("shuffled", "dependency")

_GROUPS: dict[str, tuple[str, ...]] = {
    "lines": LINES,
    "nodes": NODES,
    "chunks": ("chunk_share",),
    "copies": ("copy_share",),
    "no_after": ("no_after_share",),
}


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Sizes in characters, shares between 0 and 1, and a weight for each kind of cut.

    Text that is only shown costs time and teaches nothing by itself, so there is less of it than
    at serving, in varying amounts. A server on a slow machine shows no chunks and little text
    after the cursor: some samples have none.
    """

    before: int = 2400
    after: int = 600
    chunk_size: int = 1200
    # An editor's cursor stands at a line's end more often than in front of the next line.
    newline: float = 0.10
    line: float = 0.15
    end: float = 0.15
    inside: float = 0.10
    expression: float = 0.12
    arguments: float = 0.10
    statement: float = 0.10
    body: float = 0.08
    nothing: float = 0.10
    # Of all samples, those that show chunks; of these, those whose text can be copied from them.
    chunk_share: float = 0.5
    copy_share: float = 0.75
    no_after_share: float = 0.10
    order: str = "shuffled"
    # Text in front of a cut is learned too, or most of the time would teach nothing. But the cut
    # is where text after the cursor tells what is missing, and where an answer has to end.
    emphasis: int = 5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not _sound(name, value):
                raise OptionError(f"{name}={value} makes no mixture", _HINT)
        if not sum(self.weights):
            raise OptionError(
                "a mixture needs a kind of cut", f"Give {' or '.join(KINDS)} a weight"
            )

    @property
    def weights(self) -> tuple[float, ...]:
        """Of each of KINDS, in their order. Their sum need not be 1."""
        return tuple(getattr(self, kind) for kind in KINDS)

    def scaled(self, share: float) -> "Mixture":
        """Return all sizes times `share`, where there is room for less."""
        sizes = {
            name: max(_MINIMA.get(name, 0), int(getattr(self, name) * share))
            for name in ("before", "after", "chunk_size")
        }
        return replace(self, **cast(dict[str, Any], sizes))

    @classmethod
    def parse(cls, text: str) -> "Mixture":
        """Return a mixture from what differs from the default, as `nodes=0,chunks=0.5`.

        A name is a field's or a group's: `lines` and `nodes` set the sum of their kinds' weights,
        `chunks`, `copies` and `no_after` their shares. Raises OptionError.
        """
        mixture = cls()
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (piece.strip() for piece in part.partition("="))
            mixture = replace(mixture, **mixture._changes(name, value))
        return mixture

    def _changes(self, name: str, value: str) -> dict[str, Any]:
        types = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        try:
            if name in types:
                return {name: types[name](value)}
            members = _GROUPS[name]
            now = [getattr(self, member) for member in members]
            share = [part / sum(now) if sum(now) else 1 / len(now) for part in now]
            return {m: part * float(value) for m, part in zip(members, share, strict=True)}
        except KeyError:
            known = ", ".join((*_GROUPS, *types))
            raise OptionError(f"'{name}' is not part of a mixture", f"There are {known}") from None
        except ValueError:
            raise OptionError(f"{name}={value} makes no mixture", _HINT) from None


_MINIMA = {"before": 80, "emphasis": 1}
_MAX_SIZE = 10**6
_HINT = (
    "Sizes are whole numbers, before at least 80; shares lie between 0 and 1, weights are not "
    f"negative; emphasis is 1 or more, nothing above a million; order is {' or '.join(ORDERS)}"
)


def _sound(name: str, value: Any) -> bool:
    if name == "order":
        return value in ORDERS
    if name.endswith("_share"):
        return 0 <= float(value) <= 1
    return bool(_MINIMA.get(name, 0) <= value <= _MAX_SIZE)
