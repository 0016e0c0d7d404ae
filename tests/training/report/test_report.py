"""The report: what is kept in report.json, and what the page makes of it for anyone's browser."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.typed_json import structured
from budgetai_core.errors import AdapterError
from budgetai_training.evaluation.comparisons import LineComparison
from budgetai_training.hyperparameters.chosen import RateTry
from budgetai_training.hyperparameters.rank_selection import RankTry
from budgetai_training.report import file_counts, number_format
from budgetai_training.report.html import MAX_ROWS, page
from budgetai_training.report.report_files import read, write
from budgetai_training.report.schema import (
    FileRow,
    Forgetting,
    Group,
    Memory,
    Point,
    Report,
    to_json,
)
from budgetai_training.report.summary import next_command, verdict
from budgetai_training.time_budget import Stage

# Markup, mathematics, a terminal's escape, NUL, half a character, and a mark that turns text round.
NASTY = "</text></pre><script src=//x>'\"&amp;$x_1$\x1b[31m\0\ud800\u202e]]><!--"


def account(**changes: Any) -> Report:
    """A run in which nothing was measured, but for the changes."""
    values: dict[str, Any] = {
        "repository": "shop",
        "base": "smollm2-135m",
        "method": "lora",
        "rank": 16,
        "load_in": "bf16",
        "seed": 0,
        "finished": "2026-01-02T03:04:05+0000",
        "budget": 900.0,
        "spent": 866.0,
        "parameters": 139_400_000,
        "trained_parameters": 4_884_480,
    }
    return Report(**(values | changes))


def measured(name: str = "name", points: int = 40) -> Report:
    """A run in which everything was, with `name` wherever a name from outside can stand."""
    steps = [
        Point(step=n, seconds=9.0 * n, tokens=800 * n, loss=2.0 + 1 / n, rate=5e-4 / n)
        for n in range(1, points + 1)
    ]
    overall = Group(by="all", name="all", samples=60, tokens=9000, before=2.4, after=2.1)
    return account(
        repository=name,
        base=name,
        stages=(Stage(name=name, seconds=60.0), Stage(name="training", seconds=800.0)),
        corpus=tuple(
            FileRow(
                repository=f"{name}{number % 2}",
                path=f"{name}/{number}.py",
                language=name,
                part=part,
                reason=name,
                lines=10,
                characters=300,
                secrets={name: 2},
            )
            for number, part in enumerate(file_counts.PARTS)
        ),
        curve=tuple(steps),
        validation=tuple(steps[::10]),
        held_out=(
            overall,
            dataclasses.replace(overall, by="language", name=name, tokens=90),
            dataclasses.replace(overall, by="hole", name="empty", before=None, after=None),
        ),
        rates=(RateTry(rate=1e-4, loss=2.3), RateTry(rate=5e-4, loss=2.2, chosen=True)),
        ranks=(RankTry(rank=8, loss=2.3), RankTry(rank=16, loss=2.2, chosen=True)),
        memory=Memory(predicted=2 << 30, peak=1 << 30, available=8 << 30, notes=(name,)),
        forgetting=Forgetting(what=name, before=1.7, after=1.8),
        completions=(
            LineComparison(
                path=name, line=7, before=name, expected="x = 1", base=name, tuned="x = 1 "
            ),
        ),
        options={name: name},
        notes=(name,),
        versions={name: name},
    )


class Page(HTMLParser):
    """Tags with their attributes, and the text a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def nasty() -> Page:
    return Page(page(measured(NASTY)))


def overall(before: float | None, after: float | None, tokens: int = 9000) -> Report:
    group = Group(by="all", name="all", samples=60, tokens=tokens, before=before, after=after)
    return account(held_out=(group,))


@pytest.mark.parametrize(
    ("run", "trend", "words"),
    [
        (overall(2.4, 2.1), "better", "fell by 0.300 nats per token (12.5%)"),
        (overall(2.4, 2.5), "worse", "rose by 0.100 nats per token (4.2%)"),
        (overall(2.4, 2.401), "same", "hardly changed"),
        (overall(2.4, math.nan), "worse", "diverged"),
        (overall(2.4, None), "unknown", "not measured after"),
        (overall(None, 2.4), "unknown", "not measured before"),
        (account(), "unknown", "was not measured"),
    ],
)
def test_the_headline_says_what_happened(run: Report, trend: str, words: str) -> None:
    told_verdict = verdict(run)
    assert (told_verdict.trend, words in told_verdict.title) == (trend, True)
    assert told_verdict.title in Page(page(run)).text


def test_a_loss_over_few_tokens_is_doubted() -> None:
    assert "chance" in verdict(overall(2.4, 2.1, tokens=60)).text
    assert "chance" not in verdict(overall(2.4, 2.1)).text


def test_the_next_command_finds_the_adapter() -> None:
    assert next_command(account()) == "budgetai-convert"
    assert next_command(account(options={"out": "my dir"})) == "budgetai-convert 'my dir'"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = measured(NASTY)
    made = write(run, tmp_path)
    assert read(tmp_path) == run
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert made.read_text(encoding="utf-8") == page(run)


def test_a_number_that_is_not_finite_is_kept() -> None:
    run = account(curve=(Point(step=1, seconds=1.0, tokens=9, loss=math.inf),))
    plain = json.dumps(to_json(run), allow_nan=False)
    assert structured(Report, json.loads(plain)) == run


def test_the_report_of_a_newer_version_is_read() -> None:
    values = to_json(measured()) | {"colour": "blue"}
    values["memory"]["swap"] = 3
    del values["notes"]
    assert structured(Report, values) == dataclasses.replace(measured(), notes=())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no report.json in"),
        ("{", "cannot be read"),
        ("[]", r"cannot be \[\]"),
        ("{}", "repository is missing"),
        ('{"repository": 3}', "repository cannot be 3"),
    ],
)
def test_a_report_that_cannot_be_read(tmp_path: Path, text: str | None, words: str) -> None:
    if text:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(AdapterError, match=words) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "value"),
    [("rank", True), ("budget", "900"), ("memory", []), ("notes", "one"), ("options", {"a": 1})],
)
def test_values_of_another_type_are_refused(where: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=f"(?i){where}"):
        structured(Report, to_json(measured()) | {where: value})


def test_nothing_from_a_repository_is_markup(nasty: Page) -> None:
    assert not nasty.all("script", "link", "img", "iframe", "object", "base", "form", "a")
    # The title, the picture's text and its label, a row, a summary, code: all as it was written.
    assert nasty.text.count("<script src=//x>'\"&amp;$x_1$\ufffd[31m") > 15
    assert any("<script src=//x>" in svg["aria-label"] for svg in nasty.all("svg"))
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202e]", nasty.html)
    nasty.html.encode("utf-8")


def test_the_page_needs_nothing_from_elsewhere(nasty: Page) -> None:
    for tag, attributes in nasty.tags:
        assert not {"src", "srcset", "action", "data", "poster"} & set(attributes), tag
        assert not [key for key in attributes if key.startswith("on")], tag
        assert attributes.get("href", "#").startswith("#"), tag
        assert "//" not in attributes.get("style", ""), tag
    sheet = nasty.html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in sheet
    assert "@import" not in sheet
    policy = [meta["content"] for meta in nasty.all("meta") if "http-equiv" in meta]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_pictures_are_told_apart_and_coloured_by_the_page(nasty: Page) -> None:
    pictures = nasty.all("svg")
    assert len(pictures) == 2 * 5
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in pictures)
    ids = [attributes["id"] for _, attributes in nasty.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    asked = re.findall(r'(?:href="|url\()#([^")]+)', nasty.html)
    assert asked
    assert set(asked) <= set(ids)
    sheet, _, body = nasty.html.partition("</style>")
    light, _, dark = sheet.partition("@media screen")
    used = set(re.findall(r"var\((--[\w-]+)\)", body))
    assert {"--ink", "--training", "--better"} <= used
    for scheme in (light, dark):
        assert used <= set(re.findall(r"(--[\w-]+):", scheme))
    # No colour of matplotlib's own, which would not follow the scheme.
    assert not re.search(r"(?:fill|stroke): #", body)


def test_a_run_that_measured_nothing() -> None:
    shown = Page(page(account()))
    assert not shown.all("svg")
    assert shown.text.count("Not measured") >= 3
    assert "no step was taken" in shown.text
    assert "budgetai-convert" not in shown.text


def test_one_step_and_a_loss_that_is_not_a_number_are_drawn() -> None:
    point = Point(step=1, seconds=0.0, tokens=1, loss=2.0)
    wild = dataclasses.replace(point, step=2, loss=math.nan, rate=math.nan)
    group = Group(by="all", name="all", samples=1, tokens=1, before=2.0, after=math.nan)
    rates = tuple(RateTry(rate=r, loss=loss) for r, loss in ((1e-4, 2.0), (1e-2, math.inf)))
    run = account(curve=(point, wild), held_out=(group,), rates=rates, spent=0.0)
    shown = Page(page(run))
    assert len(shown.all("svg")) == 4
    assert "not finite" in shown.text


def test_large_runs_make_a_page_of_bearable_size() -> None:
    rows = tuple(
        FileRow(repository="r", path=f"{n}.py", language="python", part="train", reason=f"why {n}")
        for n in range(20_000)
    )
    html = page(dataclasses.replace(measured(points=3_000), corpus=rows))
    assert f"{20_000 - MAX_ROWS:,} more are in report.json" in html
    assert len(html) < 500_000


def test_code_keeps_its_spaces_and_a_right_answer_is_marked() -> None:
    code = "\n\n\tif x:\n\t\treturn  "
    comparison = LineComparison(
        path="a.py", line=3, before=code, expected="1", base="", tuned="1\n"
    )
    html = page(account(completions=(comparison,)))
    # The parser of a browser takes the first newline of a <pre> away.
    assert f'<pre class="context">\n{code}<span' in html
    assert "0 of 1 from the base, 1 of 1 from the tuned model" in html
    assert html.count("as expected</b>") == 1
    assert '<em class="muted">nothing</em>' in html


def test_the_files_of_a_corpus_are_counted() -> None:
    def row(path: str, part: Any, reason: str = "", **rest: Any) -> FileRow:
        language = path.rpartition(".")[2]
        return FileRow(
            repository="r", path=path, language=language, part=part, reason=reason, **rest
        )

    rows = [
        row("a.py", "train", characters=10),
        row("b.py", "held-out", characters=5, secrets={"key": 2}),
        row("c.go", "train", characters=70, secrets={"key": 1, "e-mail": 1}),
        row("d.js", "out", "too large: 2 MB"),
        row("e.js", "out", "too large: 3 MB"),
        row("f.js", "out", "binary"),
    ]
    assert [(t.part, t.name, t.files) for t in file_counts.by_reason(rows)] == [
        ("to learn", "", 2),
        ("held out", "", 1),
        ("left out", "too large", 2),
        ("left out", "binary", 1),
    ]
    assert [(t.name, t.characters, t.held_out) for t in file_counts.by_language(rows)] == [
        ("go", 70, 0),
        ("py", 15, 1),
    ]
    assert [(s.kind, s.found, s.files) for s in file_counts.by_secret(rows)] == [
        ("key", 3, 2),
        ("e-mail", 1, 1),
    ]
    assert [comparison.path for comparison in file_counts.by_part(rows)["to learn"]] == [
        "c.go",
        "a.py",
    ]


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (number_format.duration(0), "0.0 s"),
        (number_format.duration(59.6), "1 min"),
        (number_format.duration(852), "14 min 12 s"),
        (number_format.duration(3780), "1 h 03 min"),
        (number_format.short(999), "999"),
        (number_format.short(1250), "1.25 k"),
        (number_format.short(139_400_000), "139 M"),
        (number_format.size(None), "not measured"),
        (number_format.size(1 << 30), "1.00 GiB"),
        (number_format.rate(5e-4), "5e-4"),
        (number_format.rate(2.5e-5), "2.5e-5"),
        (number_format.rate(0), "0"),
        (number_format.loss(None), "not measured"),
        (number_format.loss(math.nan), "not finite"),
        (number_format.perplexity(1.0), "2.72"),
        (number_format.perplexity(1e9), "over 10,000"),
        (number_format.change(2.0, 1.75), "−0.250"),
        (number_format.change(2.0, 1.99999), "0.000"),
        (number_format.change(2.0, None), ""),
        (number_format.counted(1, "step"), "1 step"),
        (number_format.counted(1200, "step"), "1,200 steps"),
    ],
)
def test_numbers_as_a_reader_wants_them(shown: str, wanted: str) -> None:
    assert shown == wanted


def test_the_page_is_drawn_again(tmp_path: Path) -> None:
    made = write(account(), tmp_path)
    made.write_text("broken")
    command = [sys.executable, "-m", "budgetai_training.report", str(tmp_path)]
    assert subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip() == str(made)
    assert "shop" in made.read_text(encoding="utf-8")


def test_only_writing_loads_the_libraries() -> None:
    code = (
        "import sys, pathlib, tempfile\n"
        "from budgetai_training.report import report_files, schema\n"
        "assert not {'jinja2', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "from budgetai_training.report import html\n"
        "assert not {'matplotlib.pyplot', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
