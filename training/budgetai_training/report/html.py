"""A report as one HTML page that needs nothing else: no script, no font, no network.

What it shows is untrusted: names and code come from a repository. The template escapes every
value, the page's own policy forbids scripts and requests, and what would not be a character in
HTML, or would turn the direction of the text around it, is replaced before anything is drawn.
"""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from budgetai_core.artifacts.manifest import COMPARED
from budgetai_core.artifacts.typed_json import structured
from budgetai_training.evaluation.comparisons import is_exact
from budgetai_training.report import file_counts, number_format, plots
from budgetai_training.report.schema import Report, to_json
from budgetai_training.report.summary import (
    FEW_TOKENS,
    drafted,
    exactly,
    few,
    next_command,
    trend,
    verdict,
)

# With more rows a browser gets slow, and nobody reads them; all are in report.json.
MAX_ROWS = 300
MAX_REASONS = 30
MAX_CODE = 2_000

# Controls but tab and newline, surrogates, non-characters, and the marks that reorder text.
_UNPRINTABLE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def page(report: Report) -> str:
    """Return the whole of report.html, as text that UTF-8 can encode."""
    shown = structured(Report, _printable(to_json(report)))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=shown,
            verdict=verdict(shown),
            next_command=next_command(shown),
            convertible=shown.method.partition(" ")[0] not in COMPARED,
            pictures={name: Markup(svg) for name, svg in _pictures(shown).items()},
            several=len({row.repository for row in shown.corpus}) > 1,
            max_rows=MAX_ROWS,
            max_reasons=MAX_REASONS,
            few_tokens=FEW_TOKENS,
        )
    )


def _pictures(report: Report) -> dict[str, str]:
    """Return inline SVG by name; empty where there is nothing to draw."""
    return {
        "curve": plots.curve(report.curve, report.validation),
        "held_out": plots.held_out(report.held_out),
        "rates": plots.rates(report.rates),
        "ranks": plots.ranks(report.ranks),
        "stages": plots.stages(report.stages, report.budget),
    }


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (
        *(
            number_format.change,
            number_format.count,
            number_format.counted,
            number_format.duration,
            number_format.loss,
        ),
        *(number_format.perplexity, number_format.rate, number_format.short, number_format.size),
        *(
            file_counts.by_language,
            file_counts.by_part,
            file_counts.by_reason,
            file_counts.by_secret,
        ),
        *(drafted, exactly, trend, is_exact, code),
    )
    made.filters |= {word.__name__: word for word in words}
    made.tests["few"] = few
    return made


def code(text: str) -> str:
    """Return code as it is shown: a bounded piece of it."""
    return text if len(text) <= MAX_CODE else f"{text[:MAX_CODE]} …"


def _printable(value: Any) -> Any:
    """Return the same JSON value with a replacement character for each that cannot be shown."""
    if isinstance(value, str):
        return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value.replace("\r\n", "\n"))
    if isinstance(value, list):
        return [_printable(part) for part in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(part) for key, part in value.items()}
    return value
