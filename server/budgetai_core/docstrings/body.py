"""What a model writes in a docstring: what its inside says, where it is over, and whether a line of
it is code."""

import re

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language
from budgetai_core.docstrings.edit import InsertionPoint
from budgetai_core.docstrings.text import commented, quoted

# Statements that no sentence reads like; what only an expression is may be a sentence.
_STATEMENTS = re.compile(
    r"(?:import|import_from|future_import|return|raise|throw|if|for|for_in|while|with|try|assert"
    r"|assignment|export|package)_statement|package_clause"
    r"|(?:function|generator_function|class|abstract_class|interface|enum|import|export|package"
    r"|method|constructor|record|lexical|variable|local_variable|var|const|short_var|use|let)"
    r"_(?:declaration|definition)|(?:function|struct|enum|impl|trait)_item|function_signature\w*"
    r"|decorated_definition|macro_invocation|return_expression|if_expression|for_expression"
)
_ASSIGNMENTS = re.compile(r"(?:augmented_)?assignment(?:_expression)?")
_CALLS = {
    "call": "function",
    "call_expression": "function",
    "method_invocation": "name",
    "type_conversion_expression": "type",
}
_WRAPPERS = frozenset({"expression_statement", "ERROR", "statement_block", "block"})
# A head without its body.
_HEAD = re.compile(
    r"(?:(?:async|export|default|pub(?:\([^)]*\))?|public|private|protected|static|final|abstract"
    r"|override|unsafe|const)\s+)*"
    r"(?:(?:def|class|function\*?|fn|func|struct|enum|trait|impl|interface)\s+\S|\w+\s+\w+\()"
)
_MAX_CODE_LINE = 400


def body_text(insertion: InsertionPoint, inside: str) -> str:
    """Return the text of an inside that stands at an insertion point: dedented, without the marks
    of its lines."""
    whole, mark = (
        f"{insertion.opening}{inside}{insertion.closing.strip()}",
        insertion.opening.strip(),
    )
    if mark.startswith("/"):
        return commented(whole, 0, len(whole), mark).text
    docstring = quoted(whole, 0, len(whole))
    return docstring.text if docstring else inside.strip()


def ended(insertion: InsertionPoint, text: str) -> int:
    """Return how many characters of a text belong to the inside: up to the closing mark, or to the
    first line that is none of a comment without one."""
    closing, mark = insertion.closing.strip(), insertion.opening.strip()
    if closing:
        at = text.find(closing)
        return at if at >= 0 else len(text)
    at = text.find("\n")
    while at >= 0:
        line = text[at + 1 :].partition("\n")[0].lstrip()
        # The last line may be a mark that has only begun.
        if not (line.startswith(mark) or mark.startswith(line)):
            return at
        at = text.find("\n", at + 1)
    return len(text)


def is_code(line: str, language: Language) -> bool:
    """Return whether a line is a statement, a call or a head of the language, complete or without
    its body. A sentence that its grammar takes for an expression is none."""
    line = line.strip()
    if not line or len(line) > _MAX_CODE_LINE:
        return False
    bodies = [""]
    if line.endswith(":"):
        bodies.append("\n    pass")
    elif line.endswith("{"):
        bodies.append("}")
    elif _HEAD.match(line) and ("(" in line or language.opener == ":"):
        bodies += [":\n    pass"] if language.opener == ":" else [" {}", ";"]
    return any(_is_statement(f"{line}{body}\n", language) for body in bodies)


def _is_statement(text: str, language: Language) -> bool:
    parsed = ParsedDocument.of(text, language)
    if parsed.root is None or parsed.root.has_error:
        return False
    pending = list(parsed.root.named_children)
    while pending:
        node = pending.pop()
        if node.type in _WRAPPERS:
            pending += node.named_children
        elif _STATEMENTS.fullmatch(node.type) or _assigns(node) or _calls(node, parsed.data):
            return True
    return False


def _assigns(node: tree_sitter.Node) -> bool:
    """Return whether a line assigns; `name: what it is` does not."""
    return bool(_ASSIGNMENTS.fullmatch(node.type)) and node.child_by_field_name("right") is not None


def _calls(node: tree_sitter.Node, data: bytes) -> bool:
    """Return whether a line calls: in a sentence, a space stands in front of a bracket."""
    called = node.child_by_field_name(_CALLS[node.type]) if node.type in _CALLS else None
    return called is not None and data[called.end_byte : called.end_byte + 1] == b"("
