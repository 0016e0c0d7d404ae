"""The languages of the world by their names, and which of them are code.

The table is made of linguist's data by `scripts/refresh_languages.py`. What it lacks, and where
what people tune for is another thing than what GitHub counts, is said here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from itertools import chain
from typing import NamedTuple


class KnownLanguage(NamedTuple):
    """A language. `kind` is code, data, markup, prose or configuration.

    `comments`, `blocks` and `quotes` are marks: a quote with `\\` behind it is escaped by a
    backslash, one with `+` goes on over the end of a line.
    """

    name: str
    kind: str
    aliases: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    blocks: tuple[tuple[str, str], ...] = ()
    quotes: tuple[str, ...] = ()

    @property
    def is_code(self) -> bool:
        return self.kind == "code"


# Data and markup to linguist, and code to those who write it.
_CODE = """
    SQL|GraphQL|Protocol Buffer|FlatBuffers|Avro IDL|ASN.1|ABNF|EBNF|Cloud Firestore Security Rules
    |GN|Gradle|Gradle Kotlin DSL|Graphviz (DOT)|Kusto|Lark|MiniZinc Data|Nginx|PlantUML|Prisma|RBS
    |ROS Interface|RPM Spec|SELinux Policy|SPARQL|SpiceDB Schema|TMDL|Type Language
    |WebAssembly Interface Type|YANG|Zmodel
    |Antlers|Astro|Blade|Blueprint|Bru|CSS|Closure Templates|D2|EJS|Edge|Genero per|Go Template
    |HTML|HTML+ECR|HTML+EEX|HTML+ERB|HTML+PHP|HTML+Razor|Haml|Handlebars|Jinja|Kit
    |Latte|Less|Liquid|Marko|Mask|Mermaid|Mustache|Nunjucks|Pic|PostCSS|PostScript|Pug|Riot|SCSS
    |SRecode Template|Sass|Scaml|Slim|Slint|StringTemplate|Stylus|SugarSS|Svelte|TeX|Tea
    |Terraform Template|Twig|Velocity Template Language|Vento|Vim Snippet|Vue|YASnippet|kvlang|templ
"""
_CONFIGURATION = """
    Ant Build System|ApacheConf|BIRD2|Browserslist|BuildStream|CODEOWNERS|Cabal Config|Caddyfile
    |Debian Package Control File|Dotenv|Easybuild|EditorConfig|Git Attributes|Git Config|Go Module
    |Go Workspace|GtkRC|HAProxy|HOCON|HXML|Hosts File|INI|Ignore List|Java Properties|KDL|Kickstart
    |Linux Kernel Module|Maven POM|MiniYAML|NEON|NPM Config|OASv2-yaml|OASv3-yaml|Ninja|Option List
    |Pip Requirements|Proguard|RAML|Readline Config|Redirect Rules|Robots Exclusion Rules|SSH Config
    |ShellCheck Config|Soong|TOML|TextMate Properties|Tor Config|Wget Config|XCompose|YAML
    |cURL Config|crontab|desktop|dircolors|nanorc|pkg-config
"""
_PROSE = "API Blueprint|BBCode|Bikeshed|Cooklang|Ecmarkup|MDX|Rich Text Format|mdsvex"
_DATA = "BibTeX|G-code|Jupyter Notebook"

_ST_ENDINGS = ".st .scl .iecst .tcpou .tcdut .tcgvl .tcio"
_MISSING = (
    KnownLanguage(
        "Structured Text", "code", ("st", "iecst", "iec-st", "iec61131", "structured-text", "scl"),
        tuple(_ST_ENDINGS.split()), (), (), ("//",), (("(*", "*)"), ("/*", "*/")), ("'", '"'),
    ),
)  # fmt: skip
# Endings that linguist does not give a language.
_MORE_ENDINGS = {
    "PHP": ".module .install .theme .profile .engine",
    "SystemVerilog": ".svi",
    "Jinja": ".jinja2",
}
# Marks of languages for which Pygments has no lexer, or one that does not know them.
_MARKS: Mapping[str, tuple[str, str, str]] = {
    "AL": ("//", "/* */", "',\""),
    "Apex": ("//", "/* */", "'\\"),
    "COBOL": ("*>", "", "\",'"),
    "MATLAB": ("%", "%{ %}", "\",'"),
    "OpenEdge ABL": ("//", "/* */", "\",'"),
    "Pascal": ("//", "{ },(* *)", "'"),
    "Smalltalk": ("", '" "', "'"),
    "Svelte": ("//", "<!-- -->,/* */", "\"\\,'\\,`\\+"),
    "VBA": ("',Rem ", "", '"'),
    "VHDL": ("--", "/* */", '"'),
    "Visual Basic 6.0": ("',Rem ", "", '"'),
    "Vue": ("//", "<!-- -->,/* */", "\"\\,'\\,`\\+"),
}


def entry(name: str) -> KnownLanguage | None:
    """Return the language of a name or alias, in any case."""
    return _table().by_name.get(name.lower())


def by_file_name(name: str) -> tuple[KnownLanguage, ...]:
    """Return the languages that a file's name may mean; its longest ending says most."""
    table = _table()
    if named := table.by_file.get(name):
        return named
    lower = name.lower()
    at = lower.find(".")
    while at >= 0:
        if entries := table.by_ending.get(lower[at:]):
            return entries
        at = lower.find(".", at + 1)
    return ()


def by_interpreter(program: str) -> KnownLanguage | None:
    return _table().by_interpreter.get(program)


def entries() -> tuple[KnownLanguage, ...]:
    """Return all languages."""
    return tuple(dict.fromkeys(_table().by_name.values()))


class _Table:
    """The languages by all that names them."""

    def __init__(self, languages: Iterable[KnownLanguage]) -> None:
        self.by_name: dict[str, KnownLanguage] = {}
        self.by_interpreter: dict[str, KnownLanguage] = {}
        by_file: defaultdict[str, list[KnownLanguage]] = defaultdict(list)
        by_ending: defaultdict[str, list[KnownLanguage]] = defaultdict(list)
        for language in languages:
            self.by_name[language.name.lower()] = language
            for alias in language.aliases:
                self.by_name.setdefault(alias.lower(), language)
            for program in language.interpreters:
                self.by_interpreter.setdefault(program, language)
            for file in language.files:
                by_file[file].append(language)
            for ending in dict.fromkeys(map(str.lower, language.endings)):
                by_ending[ending].append(language)
        self.by_file = {file: tuple(entries) for file, entries in by_file.items()}
        self.by_ending = {ending: tuple(entries) for ending, entries in by_ending.items()}


@cache
def _table() -> _Table:
    text = (resources.files(__package__) / "data" / "languages.tsv").read_text("utf-8")
    kinds = {
        name.strip(): kind
        for kind, names in (
            ("code", _CODE), ("configuration", _CONFIGURATION), ("prose", _PROSE), ("data", _DATA),
        )
        for name in names.split("|")
    }  # fmt: skip
    rows = (line.split("\t") for line in text.splitlines() if line[:1] != "#")
    return _Table(chain(_MISSING, (_entry(row, kinds) for row in rows)))


def _entry(row: list[str], kinds: Mapping[str, str]) -> KnownLanguage:
    name, kind, aliases, endings, files, interpreters, *marks = row
    comments, blocks, quotes = _MARKS.get(name, marks)
    more = tuple(_MORE_ENDINGS.get(name, "").split())
    return KnownLanguage(
        name,
        kinds.get(name, kind),
        _parts(aliases),
        _parts(endings) + more,
        _parts(files),
        _parts(interpreters),
        _parts(comments),
        tuple((pair[0], pair[-1]) for pair in map(str.split, _parts(blocks))),
        _parts(quotes),
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
