"""A matplotlib figure as an SVG element that takes its colours and its font from the page.

Matplotlib only knows fixed colours, so each role has one of its own, which becomes `var(--role)`:
the same picture is then right in light, in dark and on paper. Every picture is drawn twice, wide
and narrow, and the page shows one: scaled down for a phone, letters could not be read.
"""

import re
import warnings
from collections.abc import Callable
from io import StringIO
from xml.etree import ElementTree

from matplotlib import style
from matplotlib.figure import Figure

WIDTHS = {"wide": 832, "narrow": 340}
STAGE_COLOURS = 8
ROLES = (
    *("ink", "muted", "grid", "paper", "base", "better", "worse", "training", "validation"),
    *(f"stage-{number}" for number in range(STAGE_COLOURS)),
)
COLOURS = {role: f"#fa{number:02x}ce" for number, role in enumerate(ROLES)}

Drawing = Callable[[Figure], None]

_VARIABLES = {colour: f"var(--{role})" for role, colour in COLOURS.items()}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "budgetai",
    # A dollar in a name is a dollar.
    "text.parse_math": False,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "font.size": 12,
    "axes.facecolor": "none",
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "text.color": COLOURS["ink"],
    "legend.frameon": False,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
}


def picture(name: str, label: str, height: float, draw: Drawing) -> str:
    """Return what `draw` makes of an empty figure, `height` pixels high, in both widths.

    `name` is unique in the page; `label` is for those who cannot see the picture.
    """
    return "".join(
        _element(
            _drawn(draw, width, height), f"{name}-{kind}", {"class": kind, "aria-label": label}
        )
        for kind, width in WIDTHS.items()
    )


def _drawn(draw: Drawing, width: float, height: float) -> str:
    made = StringIO()
    # The user's own matplotlibrc must not matter here.
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        # A letter that matplotlib's font lacks is drawn by the browser.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        draw(figure)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(made, format="svg", metadata=nothing)
    return made.getvalue()


def _element(file: str, name: str, attributes: dict[str, str]) -> str:
    """Return an SVG file as an element of HTML, with ids that are nowhere else in the page."""
    root = ElementTree.fromstring(file)
    for defs in root.iterfind(".//{*}defs"):
        # Inside HTML this style would be for the whole page, which has a better one.
        for own in defs.findall("{*}style"):
            defs.remove(own)
    used = set(re.findall(r'(?:href="|url\()#(\w+)', file))
    for element in root.iter():
        _localise(element, name, used)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", **attributes}
    return ElementTree.tostring(root, encoding="unicode")


def _localise(element: ElementTree.Element, name: str, used: set[str]) -> None:
    """Make tag and attribute names plain; keep only ids that something refers to, each with the
    prefix."""
    element.tag = _local(element.tag)
    element.tail = None
    element.text = element.text if element.tag == "text" else None
    given = {_local(key): value for key, value in element.attrib.items()}
    if given.get("id") not in used:
        given.pop("id", None)
    element.attrib = {key: _value(key, value, name) for key, value in given.items()}


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    value = re.sub(r"^#|(?<=url\()#", f"#{name}-", value)
    if key == "style":
        value = re.sub(r"font-family:[^;]*;? ?", "", value)
        return re.sub(r"#\w{6}\b", lambda match: _VARIABLES.get(match[0], match[0]), value)
    # A hundredth of a pixel is enough, and a third of the size.
    return re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", value).replace("\n", "")
