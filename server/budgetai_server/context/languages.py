"""Programming languages as data. A new language is a row here, never an `if` elsewhere."""

import importlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath

import tree_sitter


@dataclass(frozen=True, kw_only=True)
class Language:
    """`grammar` names a module and its function; None means the text is used as text alone.

    `opener` is what a line ends with when a block has just been opened; `blocks` and
    `definitions` are tree-sitter node types. `comment` starts a line comment.
    """

    name: str
    extensions: tuple[str, ...]
    comment: str
    opener: str = "{"
    grammar: tuple[str, str] | None = None
    blocks: frozenset[str] = field(default_factory=frozenset)
    definitions: frozenset[str] = field(default_factory=frozenset)


def _row(
    name: str,
    extensions: str,
    comment: str,
    *,
    opener: str = "{",
    grammar: str = "",
    blocks: str = "",
    definitions: str = "",
) -> Language:
    module, _, function = grammar.partition(":")
    return Language(
        name=name,
        extensions=tuple(extensions.split()),
        comment=comment,
        opener=opener,
        grammar=(module, function or "language") if module else None,
        blocks=frozenset(blocks.split()),
        definitions=frozenset(definitions.split()),
    )


_ECMA_BLOCKS = "statement_block class_body switch_body object"
_ECMA_DEFS = (
    "function_declaration class_declaration method_definition generator_function_declaration"
)
_TS_DEFS = (
    " interface_declaration enum_declaration type_alias_declaration abstract_class_declaration"
)
_C_BLOCKS = "compound_statement field_declaration_list enumerator_list initializer_list"

LANGUAGES: tuple[Language, ...] = (
    _row(
        "python", ".py .pyi .pyw", "#", opener=":", grammar="tree_sitter_python",
        blocks="block", definitions="function_definition class_definition",
    ),
    _row(
        "javascript", ".js .jsx .mjs .cjs", "//", grammar="tree_sitter_javascript",
        blocks=_ECMA_BLOCKS, definitions=_ECMA_DEFS,
    ),
    _row(
        "typescript", ".ts .mts .cts", "//",
        grammar="tree_sitter_typescript:language_typescript",
        blocks=_ECMA_BLOCKS + " interface_body object_type enum_body",
        definitions=_ECMA_DEFS + _TS_DEFS,
    ),
    _row(
        "tsx", ".tsx", "//", grammar="tree_sitter_typescript:language_tsx",
        blocks=_ECMA_BLOCKS + " interface_body object_type enum_body",
        definitions=_ECMA_DEFS + _TS_DEFS,
    ),
    _row(
        "go", ".go", "//", grammar="tree_sitter_go",
        blocks="block field_declaration_list literal_value interface_type",
        definitions="function_declaration method_declaration type_spec",
    ),
    _row(
        "rust", ".rs", "//", grammar="tree_sitter_rust",
        blocks="block field_declaration_list declaration_list match_block enum_variant_list",
        definitions="function_item struct_item enum_item trait_item impl_item type_item",
    ),
    _row(
        "java", ".java", "//", grammar="tree_sitter_java",
        blocks="block class_body interface_body enum_body constructor_body switch_block",
        definitions="class_declaration interface_declaration enum_declaration record_declaration"
        " method_declaration constructor_declaration",
    ),
    _row(
        "c", ".c .h", "//", grammar="tree_sitter_c",
        blocks=_C_BLOCKS, definitions="function_definition struct_specifier enum_specifier",
    ),
    _row(
        "cpp", ".cc .cpp .cxx .hpp .hh .hxx", "//", grammar="tree_sitter_cpp",
        blocks=_C_BLOCKS + " declaration_list",
        definitions="function_definition struct_specifier enum_specifier class_specifier",
    ),
    _row("csharp", ".cs", "//"),
    _row("ruby", ".rb", "#", opener="do"),
    _row("php", ".php", "//"),
    _row("bash", ".sh .bash", "#", opener="then"),
    _row("lua", ".lua", "--", opener="then"),
    _row("kotlin", ".kt .kts", "//"),
    _row("swift", ".swift", "//"),
    _row("scala", ".scala", "//"),
)  # fmt: skip

_BY_EXTENSION = {ext: language for language in LANGUAGES for ext in language.extensions}


def language_of(path: str) -> Language | None:
    """The language of a file by its name; None where it is no code we know."""
    return _BY_EXTENSION.get(PurePosixPath(path).suffix.lower())


@cache
def parser(language: Language) -> tree_sitter.Parser | None:
    """A tree-sitter parser, or None where there is no grammar or its wheel is not installed."""
    if language.grammar is None:
        return None
    module, function = language.grammar
    try:
        grammar = getattr(importlib.import_module(module), function)()
        return tree_sitter.Parser(tree_sitter.Language(grammar))
    except (ImportError, AttributeError, ValueError):
        return None
