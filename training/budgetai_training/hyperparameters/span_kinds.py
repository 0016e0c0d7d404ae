"""What a cut takes out of a text, as data: kinds of spans and the tree-sitter nodes that are one.

The kinds, where the cut is, and what it takes out:

    newline      before the next line: the line's text and its newline
    line, end    at a line's end: all of the line's text, or the part right of a place inside it
    inside       inside a line: a few characters in front of the cut
    expression, arguments, statement, body
                 behind a node of the syntax tree: its text
    nothing      where a thing is complete: nothing
"""

from functools import cache

from budgetai_core.context.languages import Language

LINES = ("newline", "line", "end", "inside")
NODES = ("expression", "arguments", "statement", "body")
NOTHING = "nothing"
KINDS = (*LINES, *NODES, NOTHING)

# Most grammars name expressions and statements by these endings; the others are listed below, the
# families one a line: Python; JavaScript and TypeScript; Go; Java; Rust; C and C++.
_ENDINGS = {"_expression": "expression", "_statement": "statement"}
_TYPES = {
    "arguments": "argument_list arguments",
    "expression": """
        call attribute subscript binary_operator boolean_operator comparison_operator not_operator
        unary_operator lambda list dictionary set tuple await list_comprehension
        dictionary_comprehension set_comprehension
        array object arrow_function template_string jsx_element
        composite_literal func_literal
        method_invocation field_access array_access
        macro_invocation
        initializer_list
    """,
    "statement": """
        type_alias_statement
        lexical_declaration variable_declaration
        short_var_declaration var_declaration const_declaration
        local_variable_declaration explicit_constructor_invocation
        let_declaration
        declaration
    """,
}
_KIND_OF = {name: kind for kind, names in _TYPES.items() for name in names.split()}


@cache
def kind_of(node_type: str, language: Language) -> str | None:
    """Return the kind of span that a node of this type is, or None where it is not a unit of its
    own."""
    if node_type in language.blocks:
        return "body"
    by_ending = (kind for ending, kind in _ENDINGS.items() if node_type.endswith(ending))
    return _KIND_OF.get(node_type) or next(by_ending, None)
