"""Numbers as a reader wants them. Every function takes None for what was not measured."""

import math
from typing import TypeGuard

NOT_MEASURED = "not measured"
# A proper minus sign: as wide as a plus, and never broken from its number.
_MINUS = "\N{MINUS SIGN}"


def measured(value: float | None) -> TypeGuard[float]:
    """Return whether there is a number to draw or to compare."""
    return value is not None and math.isfinite(value)


def count(value: int | None) -> str:
    return NOT_MEASURED if value is None else f"{value:,}"


def counted(value: int, singular: str, plural: str = "") -> str:
    """Return 1 file, 2 files."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def short(value: float) -> str:
    """Return three digits: 950, 12.4 k, 1.25 M, 1.54 B."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            digits = max(0, 2 - int(math.log10(value / size)))
            return f"{value / size:.{digits}f} {unit}"
    return f"{value:.0f}"


def loss(value: float | None) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{value:.3f}" if math.isfinite(value) else "not finite"


def perplexity(value: float | None) -> str:
    """Return e to the loss: among how many equally likely tokens the model seems to choose."""
    if not measured(value):
        return loss(value)
    if value > math.log(10_000):
        return "over 10,000"
    power = math.exp(value)
    return f"{power:.2f}" if power < 10 else f"{power:,.1f}"


def change(before: float | None, after: float | None) -> str:
    """Return the signed difference of two losses; empty where one is missing."""
    return signed(after - before, ".3f") if measured(before) and measured(after) else ""


def percent(before: float, after: float) -> str:
    """Return by how much `after` differs from `before`, without a sign."""
    return f"{abs(after - before) / before:.1%}" if before > 0 else ""


def signed(value: float, form: str) -> str:
    text = f"{value:+{form}}"
    return text.replace("-", _MINUS) if text.strip("+-0.") else text.strip("+-")


def duration(seconds: float) -> str:
    """Return 45 s, 14 min 12 s, 1 h 03 min; under ten seconds with a decimal."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def size(value: int | None) -> str:
    """Return bytes in the unit that leaves one to three digits before the point."""
    if value is None:
        return NOT_MEASURED
    number = float(value)
    for unit in ("B", "KiB", "MiB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.2f} GiB" if number < 10 else f"{number:.1f} GiB"


def rate(value: float) -> str:
    """Return a learning rate: 5e-4, 2.5e-5."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if value else "0"
