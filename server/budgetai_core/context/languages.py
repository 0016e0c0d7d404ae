"""Programming languages as data. A new language is a row here, never an `if` elsewhere.

Those below have a grammar, or a row of their own for what editors call them. All others come from
linguist's table, and are read by their marks alone: see `lexical`.
"""

import importlib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import tree_sitter

from budgetai_core.context import linguist, naming


@dataclass(frozen=True)
class LexicalMarks:
    """How a language without a grammar writes comments, strings and blocks.

    `quotes` have flags behind them, as in linguist's table. `openers` are words that begin a
    block, each with the line that mostly ends it, as the texts of a repository show them;
    `closers` are all first words of such lines, and `dividers` those that stand between, as ELSE
    does. Words are in lower case, whatever the texts have.
    """

    comments: tuple[str, ...] = ()
    blocks: tuple[tuple[str, str], ...] = ()
    quotes: tuple[str, ...] = ()
    openers: tuple[tuple[str, str], ...] = ()
    closers: tuple[str, ...] = ()
    dividers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Language:
    """`grammar` names a module and its function; None means that there is no tree. `marks` are what
    a text without a tree is read by; None means it is used as text alone.

    `ids` are what editors call the language, in lower case: the `languageId` of the protocol, and
    what clients send in its place. `opener` is what a line ends with when a block has just been
    opened; `blocks` are tree-sitter node types. `comment` starts a line comment, `docs` one that
    documents what follows it.
    `queries` are files of the folder of that name, one behind the other. They say what a text
    defines, imports and refers to, and what in it is not code:

        @definition.KIND    a definition, with its @name; @body is what a signature leaves out;
                            @owner names the type it belongs to, where it does not stand inside
        @derived            a definition again, with one @base
        @decorated          a definition again, with one @decorator that stands in front of it
        @scope              what is defined inside is local
        @import             with its @module, and one name that is @imported from it
        @comment, @string, @docstring; @code that stands inside a string
    """

    name: str
    extensions: tuple[str, ...]
    comment: str
    ids: tuple[str, ...] = ()
    opener: str = "{"
    docs: tuple[str, ...] = ()
    grammar: tuple[str, str] | None = None
    blocks: frozenset[str] = field(default_factory=frozenset)
    queries: tuple[str, ...] = ()
    marks: LexicalMarks | None = None


# What the spans of texts without a tree are called that hold a block.
_LEXICAL_BLOCKS = frozenset({"block"})


def _row(
    name: str,
    extensions: str,
    comment: str,
    *,
    opener: str = "{",
    docs: str = "/** /*! ///",
    grammar: str = "",
    blocks: str = "",
    queries: str = "",
    ids: str = "",
    marks: LexicalMarks | None = None,
) -> Language:
    module, _, function = grammar.partition(":")
    return Language(
        name=name,
        extensions=tuple(extensions.split()),
        ids=(name, *ids.split()),
        comment=comment,
        opener=opener,
        docs=tuple(docs.split()),
        grammar=(module, function or "language") if module else None,
        blocks=_LEXICAL_BLOCKS if marks else frozenset(blocks.split()),
        queries=tuple(queries.split()) or (name,),
        marks=marks,
    )


_ECMA_BLOCKS = "statement_block class_body switch_body object"
_TS_BLOCKS = _ECMA_BLOCKS + " interface_body object_type enum_body"
_C_BLOCKS = "compound_statement field_declaration_list enumerator_list initializer_list"

_BRACES = LexicalMarks(("//",), (("/*", "*/"),), ('"""+', '"\\'))

LANGUAGES: tuple[Language, ...] = (
    _row(
        "python", ".py .pyi .pyw", "#", opener=":", docs="", grammar="tree_sitter_python",
        blocks="block", ids="python2 python3",
    ),
    _row(
        "javascript", ".js .jsx .mjs .cjs", "//", docs="/**", grammar="tree_sitter_javascript",
        blocks=_ECMA_BLOCKS, queries="ecma javascript", ids="javascriptreact javascript.jsx jsx js",
    ),
    _row(
        "typescript", ".ts .mts .cts", "//", docs="/**",
        grammar="tree_sitter_typescript:language_typescript",
        blocks=_TS_BLOCKS, queries="ecma typescript", ids="ts",
    ),
    _row(
        "tsx", ".tsx", "//", docs="/**", grammar="tree_sitter_typescript:language_tsx",
        blocks=_TS_BLOCKS, queries="ecma typescript", ids="typescriptreact typescript.tsx",
    ),
    _row(
        "go", ".go", "//", docs="", grammar="tree_sitter_go",
        blocks="block field_declaration_list literal_value interface_type",
    ),
    _row(
        "rust", ".rs", "//", docs="/// //! /** /*!", grammar="tree_sitter_rust",
        blocks="block field_declaration_list declaration_list match_block enum_variant_list",
    ),
    _row(
        "java", ".java", "//", docs="/** ///", grammar="tree_sitter_java",
        blocks="block class_body interface_body enum_body constructor_body switch_block",
    ),
    _row("c", ".c .h", "//", grammar="tree_sitter_c", blocks=_C_BLOCKS),
    _row(
        "cpp", ".cc .cpp .cxx .hpp .hh .hxx", "//", grammar="tree_sitter_cpp",
        blocks=_C_BLOCKS + " declaration_list", queries="c cpp", ids="c++ cuda-cpp cuda arduino",
    ),
    _row(
        "csharp", ".cs", "//", docs="/** ///", grammar="tree_sitter_c_sharp",
        blocks="block declaration_list enum_member_declaration_list switch_body accessor_list"
        " initializer_expression",
        ids="c# cs",
    ),
    _row(
        "ruby", ".rb", "#", opener="do", docs="", grammar="tree_sitter_ruby",
        blocks="body_statement do_block block then do hash",
    ),
    _row(
        "php", ".php", "//", docs="/**", grammar="tree_sitter_php:language_php",
        blocks="compound_statement declaration_list enum_declaration_list match_block"
        " switch_block",
    ),
    _row(
        "bash", ".sh .bash", "#", opener="then", docs="", grammar="tree_sitter_bash",
        blocks="compound_statement do_group subshell", ids="shellscript sh zsh ksh shell",
    ),
    _row(
        "lua", ".lua", "--", opener="then", docs="---", grammar="tree_sitter_lua",
        blocks="block table_constructor",
    ),
    _row(
        "kotlin", ".kt .kts", "//", docs="/**", grammar="tree_sitter_kotlin",
        blocks="block class_body enum_class_body lambda_literal",
    ),
    _row("swift", ".swift", "//", marks=_BRACES),
    _row("scala", ".scala", "//", docs="/**", marks=_BRACES),
)  # fmt: skip

_MAX_BEGUN = 256
# What linguist calls languages of ours.
_OWN = {
    "Shell": "bash",
    "C++": "cpp",
    "C#": "csharp",
    "TSX": "tsx",
    "Cuda": "cpp",
    "JSX": "javascript",
}
# Of a language about which nothing else is known. Blocks are ended by words until texts show that
# they are ended by brackets.
_SOME_COMMENT, _SOME_WORD = "#", "end"

_BY_EXTENSION = {ext: language for language in LANGUAGES for ext in language.extensions}
_BY_ID = {name: language for language in LANGUAGES for name in language.ids}


def language_of(path: str, text: str = "") -> Language | None:
    """Return the language of a file by its name, and by its text where the name does not tell; None
    where it is not code."""
    by_ending = _BY_EXTENSION.get(naming.ending(path))
    if by_ending and not (text and naming.is_shared(path)):
        return by_ending
    known = naming.named(path, text)
    if known is None:
        return by_ending
    return _named(known.name) if known.is_code else None


def language_called(name: str) -> Language | None:
    """Return the language that an editor calls by a name; None for one we do not know, and for what
    is not code."""
    if own := _BY_ID.get(name.lower()):
        return own
    known = linguist.entry(name)
    return _named(known.name) if known and known.is_code else None


def language_named(name: str) -> Language:
    """Return the language that a user means: code or not, and one of their own where nobody else
    knows the name."""
    known = linguist.entry(name) or linguist.entry(name.replace("-", " "))
    return _BY_ID.get(name.lower()) or (known and _named(known.name)) or unknown_language(name)


def is_known(name: str) -> bool:
    """Return whether anyone but the repository knows a language by this name."""
    return name.lower() in _BY_ID or linguist.entry(name) is not None


def unknown_language(name: str) -> Language:
    """Return a language of which nothing is known; `name` is the user's, or the files' ending."""
    return Language(
        name=name,
        extensions=(f".{name.lower().lstrip('.').replace(' ', '-')}",),
        comment=_SOME_COMMENT,
        ids=(name.lower(),),
        opener=_SOME_WORD,
        blocks=_LEXICAL_BLOCKS,
        marks=LexicalMarks(),
    )


@cache
def _named(name: str) -> Language | None:
    """Return our own row for a language of linguist's, or one that is read by its marks."""
    known = linguist.entry(name)
    if known is None:
        return None
    if own := _BY_ID.get(_OWN.get(known.name, known.name.lower())):
        return own
    comments, blocks = known.comments, known.blocks
    opening = comments or tuple(opener for opener, _ in blocks)
    return Language(
        name=known.name,
        extensions=known.endings or (f".{known.aliases[0].replace(' ', '-')}",),
        comment=opening[0] if opening else _SOME_COMMENT,
        ids=known.aliases,
        opener=_SOME_WORD,
        blocks=_LEXICAL_BLOCKS,
        marks=LexicalMarks(comments, blocks, known.quotes),
    )


def parser(language: Language) -> tree_sitter.Parser | None:
    """Return a tree-sitter parser, or None where there is no grammar or its wheel is not installed.

    A new one each time: it costs nothing, and one parser must not parse on two threads at once.
    """
    grammar = _grammar(language)
    return tree_sitter.Parser(grammar) if grammar else None


def cursor(language: Language, about: str = "") -> tree_sitter.QueryCursor | None:
    """Return what runs the language's queries once; None where there are none.

    A text may nest so deeply that each of its nodes is the beginning of a thing that is looked
    for. How many are kept in mind is bounded, or such a text would take minutes.
    """
    asked = query(language, about)
    return tree_sitter.QueryCursor(asked, match_limit=_MAX_BEGUN) if asked else None


@cache
def query(language: Language, about: str = "") -> tree_sitter.Query | None:
    """Return the language's queries as one, or None where its grammar is missing or another version
    of it does not know a node that is asked for. `about` names a folder of queries for one
    purpose."""
    if language.grammar is None:
        return None
    grammar = _grammar(language)
    folder = resources.files(__package__) / "queries" / about
    try:
        sources = [(folder / f"{name}.scm").read_text("utf-8") for name in language.queries]
        return tree_sitter.Query(grammar, "\n".join(sources)) if grammar else None
    except (OSError, ValueError):
        return None


@cache
def _grammar(language: Language) -> tree_sitter.Language | None:
    if language.grammar is None:
        return None
    module, function = language.grammar
    try:
        return tree_sitter.Language(getattr(importlib.import_module(module), function)())
    except (ImportError, AttributeError, ValueError):
        return None
