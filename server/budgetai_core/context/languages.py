"""Programming languages as data. A new language is a row here, never an `if` elsewhere."""

import importlib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

import tree_sitter


@dataclass(frozen=True, kw_only=True)
class Language:
    """`grammar` names a module and its function; None means the text is used as text alone.

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
        @reference          a name that is used
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
        blocks=frozenset(blocks.split()),
        queries=tuple(queries.split()) or (name,),
    )


_ECMA_BLOCKS = "statement_block class_body switch_body object"
_TS_BLOCKS = _ECMA_BLOCKS + " interface_body object_type enum_body"
_C_BLOCKS = "compound_statement field_declaration_list enumerator_list initializer_list"

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
    _row("swift", ".swift", "//"),
    _row("scala", ".scala", "//", docs="/**"),
)  # fmt: skip

_MAX_BEGUN = 256

_BY_EXTENSION = {ext: language for language in LANGUAGES for ext in language.extensions}
_BY_ID = {name: language for language in LANGUAGES for name in language.ids}


def language_of(path: str) -> Language | None:
    """Return the language of a file by its name; None where it is not code we know."""
    return _BY_EXTENSION.get(PurePosixPath(path).suffix.lower())


def language_called(name: str) -> Language | None:
    """Return the language that an editor calls by a name; None for one we do not know."""
    return _BY_ID.get(name.lower())


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
