"""Whether a file says anything that could be learned."""

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of

_LONGEST = 40_000
# What stands at the top of a file without saying anything of its own.
_EMPTY = frozenset(
    {
        "block_comment",
        "comment",
        "empty_statement",
        "extern_crate_declaration",
        "future_import_statement",
        "hash_bang_line",
        "import_declaration",
        "import_from_statement",
        "import_statement",
        "line_comment",
        "package_clause",
        "package_declaration",
        "preproc_include",
        "use_declaration",
    }
)


def low_content(path: str, text: str) -> bool:
    """Whether there are only imports, comments and lists of what is exported. Languages without a
    grammar are given the benefit of the doubt."""
    language = language_of(path)
    parsed = ParsedDocument.of(text[: _LONGEST + 1], language)
    if parsed.root is None or len(text) > _LONGEST:
        return False
    return all(
        node.type in _EMPTY or _is_export(node.type, parsed.data[node.start_byte : node.end_byte])
        for node in parsed.root.named_children
    )


def _is_export(kind: str, source: bytes) -> bool:
    if kind == "export_statement":
        return b" from " in source
    if kind == "mod_item":
        return b"{" not in source
    # A docstring, or Python's list of names.
    return kind == "expression_statement" and source.lstrip(b"rRbBuU").startswith(
        (b'"', b"'", b"__all__")
    )
