"""What auto measured, as a table for people, as numbers for programs, and as a picture."""

import math
from html import escape

from budgetai_convert.checks.divergence import Measured
from budgetai_convert.options import PROGRAM
from budgetai_convert.quantize.auto import Choice

_HEAD = ("", "file", "MB", "KLD", "top", "lines", "read/s", "write/s")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 420, 70, 24, 150, 50


def table(choice: Choice) -> str:
    """Return one line a file, the smallest first; a star stands before the one taken."""
    rows = [_HEAD, *(_row(measured, choice) for measured in _ordered(choice))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    kinds = ", ".join(f"{part} {kind}" for part, kind in choice.types.items())
    return "\n".join([*lines, *([f"   {choice.chosen.name}: {kinds}"] if kinds else [])])


def _ordered(choice: Choice) -> list[Measured]:
    return sorted((*choice.measured, choice.original), key=lambda measured: measured.size)


def _row(measured: Measured, choice: Choice) -> tuple[str, ...]:
    return (
        "*" if measured is choice.chosen else "",
        measured.name,
        f"{measured.size / 1e6:.1f}",
        f"{measured.kld:.4f}",
        f"{measured.top:.1%}",
        f"{measured.matched:.0%}",
        f"{measured.prefill:.0f}",
        f"{measured.decode:.0f}",
    )


def as_json(choice: Choice) -> dict[str, object]:
    """Return sizes in bytes, divergences in nats per token, shares of 1, tokens per second."""
    return {
        "chosen": choice.chosen.name,
        "types": choice.types,
        "measured": [
            {
                "name": measured.name,
                "size": measured.size,
                "kld": measured.kld,
                "top_agreement": measured.top,
                "exact_match": measured.matched,
                "holes": len(measured.exact),
                "prefill": measured.prefill,
                "decode": measured.decode,
            }
            for measured in _ordered(choice)
        ],
    }


def picture(choice: Choice) -> str:
    """Return an SVG: size to the right, divergence upwards on a logarithmic scale, each file a
    circle whose area is its reading speed. Better is lower, further left, and larger."""
    shown = [measured for measured in choice.measured if measured.kld > 0]
    sizes, klds = (
        [measured.size for measured in shown],
        [math.log10(measured.kld) for measured in shown],
    )
    fastest = max(measured.prefill for measured in shown)
    marks = []
    for measured, kld in zip(shown, klds, strict=True):
        x = _LEFT + _share(measured.size, sizes) * (_WIDTH - _LEFT - _RIGHT)
        y = _TOP + (1 - _share(kld, klds)) * (_HEIGHT - _TOP - _BOTTOM)
        marks.append(_mark(x, y, 14 * math.sqrt(measured.prefill / fastest), measured, choice))
    return _page("".join(marks), sizes, klds)


def _share(value: float, values: list[float] | list[int]) -> float:
    low, high = min(values), max(values)
    return (value - low) / (high - low) if high > low else 0.5


def _mark(x: float, y: float, radius: float, measured: Measured, choice: Choice) -> str:
    taken = measured is choice.chosen
    label = f"{measured.name}, {measured.matched:.0%} of lines"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill-opacity=".5" '
        f'fill="{"#c2410c" if taken else "#2563eb"}"/>'
        f'<text x="{x + radius + 4:.1f}" y="{y + 4:.1f}"'
        f"{' font-weight=' + chr(34) + 'bold' + chr(34) if taken else ''}>{escape(label)}</text>"
    )


def _page(marks: str, sizes: list[int], klds: list[float]) -> str:
    bottom = _HEIGHT - _BOTTOM + 24
    ends = (
        f'<text x="{_LEFT}" y="{bottom}">{min(sizes) / 1e6:.1f} MB</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{bottom}">{max(sizes) / 1e6:.1f} MB</text>'
        f'<text x="4" y="{_TOP + 4}">{10 ** max(klds):.2g}</text>'
        f'<text x="4" y="{_HEIGHT - _BOTTOM}">{10 ** min(klds):.2g}</text>'
        f'<text x="4" y="{_HEIGHT - 6}">KL divergence (nats), size; area: reading speed</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="size and divergence">'
        f"<desc>Written by {PROGRAM}.</desc>"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>{ends}{marks}</svg>\n'
    )
