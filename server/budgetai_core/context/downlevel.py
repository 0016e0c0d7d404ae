"""Syntax that the installed grammars do not know, as data: most of it is newer than they are.

Each rule says how to write the construct with syntax that the grammar knows, character for
character, so that every offset stays what it is. Its example has errors until a grammar knows it:
tests/core/context/test_downlevel.py then says that the entry can go.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

from budgetai_core.context.languages import Language

_ECMA = "javascript typescript tsx"
_TYPED = "typescript tsx"
_MAX_ROUNDS = 8
_IN_PARENTHESES = r"\((?:[^()]|\([^()]*\))*\)"


@dataclass(frozen=True)
class DownlevelRule:
    """A construct, the languages whose grammars lack it, and since which version it is theirs.

    The groups of `pattern` are written over with `fill`, and with spaces. Where there are `braces`,
    the pattern ends behind a `{`: it and its partner are written over with these two characters.
    """

    name: str
    languages: str
    pattern: str
    example: str
    fill: str = ""
    braces: str = ""
    regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regex", re.compile(self.pattern, re.MULTILINE))


RULES = (
    DownlevelRule(
        "lazy import (Python 3.15)", "python", r"^[ \t]*(lazy)[ \t]+(?=import\b|from\b)",
        "lazy import json\n",
    ),
    DownlevelRule(
        "default of a type parameter (Python 3.13)", "python",
        r"\b(?:class|def|type)[ \t]+\w+\[(?:[^\[\]=]|\[[^\[\]]*\])*?"
        r"(=[ \t]*(?:[^\[\],=]|\[[^\[\]]*\])+)",
        "class Box[T: (int, str) = int, **P = [int]]:\n    pass\n",
    ),
    DownlevelRule(
        "unpacking in a dict comprehension (Python 3.15)", "python",
        r"\{\s*(\*\*)(?=[^{}]*?\bfor\b)",
        "x = {**d for d in ds}\n",
    ),
    DownlevelRule(
        "auto-accessor (ES decorators, TypeScript 4.9)", _ECMA,
        r"(?<![\w.$])(accessor)[ \t]+(?=[#\w$\[\"'])(?!(?:in|of|instanceof)\b)",
        "class A {\n  static accessor x = 1;\n}\n",
    ),
    DownlevelRule(
        "deferred and source imports (ES2026, TypeScript 5.9)", _ECMA,
        r"\bimport(?:[ \t]+(defer|source)[ \t]+(?=\*|\w+[ \t]+from\b)|(\.(?:defer|source))(?=\())",
        'import defer * as z from "./z";\n',
    ),
    DownlevelRule(
        "attributes of an import (ES2025, before with assert)", _ECMA,
        r"(?:\"|')[ \t]*((?:with|assert)[ \t]*\{[^{}]*\})[ \t]*(?=;|$)",
        'export { x } from "./b.json" with { type: "json" };\n',
    ),
    DownlevelRule(
        "export type * (TypeScript 5.0)", _TYPED, r"\bexport[ \t]+(type)[ \t]+(?=\*)",
        'export type * as d from "./d";\n',
    ),
    DownlevelRule(
        "variance (TypeScript 4.7)", _TYPED,
        r"[<,]\s*((?:in[ \t]+out|in|out)[ \t]+)(?=\w+\s*(?:[,>=]|extends\b))",
        "class B<in out T, out U> {}\n",
    ),
    DownlevelRule(
        "using in for (TypeScript 5.2)", _TYPED,
        r"\bfor[ \t]*(?:await[ \t]*)?\([ \t]*((?:await[ \t]+)?using)[ \t]+(?=\w+[ \t]+of\b)",
        "for (using x of xs) {\n}\n", "let",
    ),
    DownlevelRule(
        "new of a value (Go 1.26)", "go",
        r"\b(new)\((?=\s*(?:[\d\"'`!&<(-]|true\b|false\b|(?:\[\][\w.*]+|[\w.]+)\s*(?:\(|\{"
        r"|\[[^\]\n]*\]\(|[-+*/%|&])))",
        'package p\n\nvar a, b = new(42), new(f(1))\n', "f",
    ),
    DownlevelRule(
        "generic method (Go 1.27)", "go",
        r"^func[ \t]*\([^()\n]*\)[ \t]*\w+(\[(?:[^\[\]]|\[[^\[\]]*\])*\])(?=\()",
        "package p\n\nfunc (b *Box[A]) Map[T, U any](f func(A) T) T { return f(1) }\n",
    ),
    DownlevelRule(
        "generic method of an interface (Go 1.27)", "go",
        r"(?:^|[{;])[ \t]*[A-Z]\w*(\[\w(?:[^\[\]\n]|\[[^\[\]\n]*\])*\])(?=\()",
        "package p\n\ntype I interface {\n\tDo[U any](u U)\n}\n",
    ),
    DownlevelRule(
        "default of a field (Rust, nightly)", "rust",
        r"[{,\n]\s*(?:pub(?:\([^)]*\))?[ \t]+)?\w+[ \t]*:[ \t]*[^=,;{}\n]+"
        r"(=(?![=>])[^,;{}\n]+)(?=[,}\n])",
        "struct C { name: String, size: u32 = 5, }\n",
    ),
    DownlevelRule(
        "generator (Rust, nightly)", "rust", r"\b(gen)[ \t]+(?=fn\b|move\b|\{)",
        "gen fn numbers() -> i32 { yield 1; }\n",
    ),
    DownlevelRule(
        "safe item of an extern block (Rust 1.82)", "rust", r"\b(safe)[ \t]+(?=fn\b|static\b)",
        'unsafe extern "C" { safe fn f(x: i32); }\n',
    ),
    DownlevelRule(
        "const trait (Rust, nightly)", "rust",
        r"\bimpl(?:<[^>\n]*>)?[ \t]+(const)[ \t]+(?=\w)|\b(const)[ \t]+(?=(?:unsafe[ \t]+)?trait\b)"
        r"|[:+][ \t]*(~?const[ \t]+|\[const\][ \t]*)(?=[A-Z])",
        "impl const Default for A {}\n",
    ),
    DownlevelRule(
        "async bound, auto trait, specialisation, super let (Rust, nightly)", "rust",
        r"[:+][ \t]*(async[ \t]+)(?=Fn)|\b(auto)[ \t]+trait\b"
        r"|\b(default)[ \t]+(?=impl\b|fn\b|type\b|const\b|async\b|unsafe\b)"
        r"|\b(super)[ \t]+(?=let\b)|&[ \t]*(pin[ \t]+(?:const|mut))\b",
        "auto trait A {}\n",
    ),
    DownlevelRule(
        "binder of a closure (Rust, nightly)", "rust",
        r"\b(for<[^>\n]*>)[ \t]*(?=(?:async[ \t]+)?(?:move[ \t]+)?\|)",
        "fn f() { let x = for<'a> |y: &'a u8| y; }\n",
    ),
    DownlevelRule(
        "assignment to fields (Rust 1.59)", "rust",
        r"[\w>][ \t]*\{[^{}\n]*?(,?[ \t]*\.\.)[ \t]*\}",
        "fn f() { A { x, .. } = y; }\n",
    ),
    DownlevelRule(
        "become, do yeet (Rust, nightly)", "rust", r"\b(become|do[ \t]+yeet)\b",
        "fn f() { become g(1); }\n", "return",
    ),
    DownlevelRule(
        "import of a module (Java 25)", "java", r"^[ \t]*import[ \t]+(module)[ \t]+(?=\w)",
        "import module java.base;\n",
    ),
    DownlevelRule(
        "statements before this() and super() (Java 25)", "java", r"(?<![\w.])(this|super)(?=\()",
        "class B {\n    B(int x) {\n        check(x);\n        this(x, 1);\n    }\n}\n", "f",
    ),
    DownlevelRule(
        "value class (Java, preview)", "java",
        r"\b(value)[ \t]+(?=(?:(?:abstract|final|sealed)[ \t]+)*(?:class|record)\b)",
        "value class P {}\n",
    ),
    DownlevelRule(
        "auto (C23)", "c", r"(?<!\w)(auto)[ \t]+(?=(?:const\b|[\s*])*\w+[ \t]*=)",
        "int f(void) { auto x = 1; return x; }\n", "int",
    ),
    DownlevelRule(
        "type of an enum (C23)", "c", r"\benum(?:[ \t]+\w+)?\s*(:[^{};=()?]+)(?=[{;])",
        "enum E : unsigned char { A, B };\n",
    ),
    DownlevelRule(
        "_BitInt (C23)", "c", r"\b((?:(?:un)?signed[ \t]+)?_BitInt[ \t]*\([^()\n]*\))",
        "_BitInt(4) x = 3;\n", "int",
    ),
    DownlevelRule("octal literal (C2y)", "c", r"\b0([oO])(?=[0-7])", "int a = 0o17;\n", "0"),
    DownlevelRule(
        "attribute (C23, C++11)", "c cpp", r"(\[\[[^\[\]]*\]\])",
        "struct [[deprecated]] S { int a [[maybe_unused]]; };\n",
    ),
    DownlevelRule(
        "block of defer (C2y)", "c", r"\b(_?[dD]efer)[ \t]*(?=\{)",
        "void f(void) { defer { g(); } }\n",
    ),
    DownlevelRule(
        "_Atomic around a type (C11)", "c", r"\b(_Atomic)[ \t]*\(",
        "void f(void) { _Atomic(int) x; }\n",
    ),
    DownlevelRule(
        "storage of a compound literal (C23)", "c",
        r"\([ \t]*((?:(?:static|constexpr|register|thread_local)[ \t]+)+)(?=[\w \t*]+\)[ \t]*\{)",
        "int *f(void) { return (static int){1}; }\n",
    ),
    DownlevelRule(
        "embed in a list (C23)", "c cpp", r"^[ \t]*(#[ \t]*embed\b[^\n]*)",
        'const char a[] = {\n#embed "a.bin"\n};\n', "0",
    ),
    DownlevelRule(
        "test for a header (C23)", "c", rf"\b(__has_\w+[ \t]*{_IN_PARENTHESES})",
        "#if __has_include(<a.h>)\nint x;\n#endif\n", "1",
    ),
    DownlevelRule(
        "declaration in a condition (C2y)", "c",
        r"\b(?:if|switch)[ \t]*\(([^;(){}\n]*(?:\([^()\n]*\)[^;(){}\n]*)*;)"
        r"|\b(?:if|switch)[ \t]*\([ \t]*((?:const[ \t]+)?(?:struct[ \t]+)?\w+[ \t]+\**)"
        r"(?=\w+[ \t]*=(?!=))",
        "int f(void) { if (int x = g(); x > 1) return x; return 0; }\n",
    ),
    DownlevelRule(
        "break of an outer loop (C2y)", "c", r"\b(?:break|continue)([ \t]+\w+)(?=[ \t]*;)",
        "void f(void) { for (;;) { break outer; } }\n",
    ),
    DownlevelRule(
        "computed goto (GNU C)", "c cpp", r"\bgoto[ \t]*(\*[ \t]*)(?=\w)",
        "void f(void *p) { goto *p; }\n",
    ),
    DownlevelRule(
        "module (C++20)", "cpp",
        r"^[ \t]*((?:export[ \t]+)?module[ \t]+[\w.:]+(?:[ \t]*\[\[[^\n]*\]\])?[ \t]*;)",
        "export module a.b;\n",
    ),
    DownlevelRule(
        "import of a module with dots (C++20)", "cpp",
        r"^[ \t]*(?:export[ \t]+)?import[ \t]+\w+(\.)(?=\w)", "import a.b.c;\n", "_",
    ),
    DownlevelRule(
        "export (C++20)", "cpp", r"^[ \t]*(export)[ \t]+(?=[\w:\[])",
        "export class C { int x; };\n",
    ),
    DownlevelRule(
        "exported block (C++20)", "cpp", r"^[ \t]*(export)[ \t]*\{",
        "export {\nint f();\nint g();\n}\n", "", "  ",
    ),
    DownlevelRule(
        "if consteval (C++23)", "cpp", r"\bif[ \t]*((?:not\b|!)?[ \t]*consteval)\b",
        "int f() { if consteval { return 1; } return 2; }\n", " (1)",
    ),
    DownlevelRule(
        "pack in a structured binding (C++26)", "cpp",
        r"\bauto[ \t]*[&*]*[ \t]*\[[^\[\]\n]*?(\.\.\.)(?=[ \t]*\w+[^\[\]\n]*\])",
        "void f(T t) { auto [a, ...rest] = t; }\n",
    ),
    DownlevelRule(
        "contracts (C++26)", "cpp",
        rf"\)[ \t\w&]*?((?:\s*\b(?:pre|post)[ \t]*{_IN_PARENTHESES})+)(?=\s*(?:[{{;]|->))",
        "int f(int x)\n    pre(x > 0)\n    post(r : r > g(x))\n{ return x; }\n",
    ),
    DownlevelRule(
        "splice of a type (C++26)", "cpp", r"\b(typename[ \t]*\[:(?:[^\[\]\n:]|::)*:\])",
        "void f() { typename[:r:] x = 1; }\n", "int",
    ),
    DownlevelRule(
        "splice (C++26)", "cpp", r"(\[:(?:[^\[\]\n:]|::)*:\])", "auto x = [:r:];\n", "r",
    ),
    DownlevelRule(
        "reflection (C++26)", "cpp", r"(\^\^[ \t]*(?:::)?\w+(?:::\w+)*(?:<[^<>\n]*>)?)",
        "constexpr auto r = ^^int;\n", "r",
    ),
    DownlevelRule(
        "expansion statement (C++26)", "cpp", r"\b(template)[ \t]+(?=for\b)",
        "void f() { template for (auto x : t) { print(x); } }\n",
    ),
    DownlevelRule(
        "specifiers of a lambda (C++23)", "cpp",
        r"\[[^\[\]\n]*\][ \t]*(?:\([^()\n]*\)[ \t]*(static)\b"
        r"|((?:static|mutable|constexpr|consteval|noexcept)\b)(?=[ \t]*(?:\{|->)))",
        "auto l = [] mutable { return 1; };\n",
    ),
    DownlevelRule(
        "explicit object parameter (C++23)", "cpp", r"\([ \t]*(this)[ \t]+(?=[\w:])",
        "struct A { void f(this A& self, int x) { } };\n",
    ),
    DownlevelRule(
        "delete with a reason (C++26)", "cpp", r"=[ \t]*delete([ \t]*\([^()\n]*\))",
        'struct A { A(const A&) = delete("no"); };\n',
    ),
    DownlevelRule(
        "value of a bit-field (C++20)", "cpp", r":[ \t]*\d+[ \t]*(=[^;\n]+|\{[^{}\n]*\})(?=;)",
        "struct A { int x : 3 = 1; };\n",
    ),
    DownlevelRule(
        "pack of friends (C++26)", "cpp", r"\bfriend[ \t]+[\w:]+(\.\.\.)",
        "template <typename... Ts> struct A { friend Ts...; };\n",
    ),
    DownlevelRule(
        "for co_await (coroutines)", "cpp", r"\bfor[ \t]+(co_await)\b",
        "void f() { for co_await (auto x : g()) { } }\n",
    ),
    DownlevelRule(
        "designated initialiser with braces (C++20)", "cpp", r"[{,]\s*(\.\w+[ \t]*)(?=\{)",
        "S s{.a = 1, .b{2}};\n",
    ),
    DownlevelRule(
        "message of static_assert (C++26)", "cpp",
        r"\bstatic_assert[ \t]*\([^\"\n]*?(,[ \t]*[\w:]+\([^\n]*\))(?=\)[ \t]*;)",
        'static_assert(C, std::format("{}", 1));\n',
    ),
    DownlevelRule(
        "pointer to a member (C++98)", "cpp", r"(?:->|\.)(\*)(?=\w)",
        "int f() { return a->*b + c.*d; }\n",
    ),
    DownlevelRule(
        "explicit instantiation (C++98)", "cpp",
        r"^[ \t]*((?:extern[ \t]+)?template)[ \t]+(?=(?:class|struct)[ \t])",
        "extern template class A<int>;\n",
    ),
    DownlevelRule(
        "consteval block (C++26)", "cpp", r"^[ \t]*(consteval)[ \t]*(?=\{)",
        "consteval { f(); }\n", "int f()",
    ),
    DownlevelRule(
        "extension block (C# 14)", "csharp",
        r"(?:^|\{)[ \t]*"
        r"(extension[ \t]*(?:<[^\n{}()]*>)?[ \t]*\([^()\n]*\)(?:\s*where[^{}\n]+)?)\s*\{",
        "static class T {\n    extension(string s) {\n        bool B => true;\n    }\n}\n",
        "", "  ",
    ),
    DownlevelRule(
        "null-conditional assignment (C# 14)", "csharp",
        r"(\?)(?=[.\[][\w.\[\]?\"]*[ \t]*(?:[-+*/%&|^]|<<|>>|>>>|\?\?)?=(?![=>]))",
        "class A { void F(C? c) { c?.Total += 1; } }\n",
    ),
    DownlevelRule(
        "compound operator (C# 14)", "csharp",
        r"\boperator[ \t]*(?:checked[ \t]+)?((?:[-+*/%&|^]|<<|>>>?)=)",
        "class A { public void operator +=(int x) { } }\n", "+",
    ),
    DownlevelRule(
        "allows ref struct alone (C# 13)", "csharp", r":[ \t]*(allows[ \t]+ref[ \t]+struct)\b",
        "class A<T> where T : allows ref struct { }\n", "class",
    ),
    DownlevelRule(
        "allows ref struct (C# 13)", "csharp", r"(,[ \t]*allows[ \t]+ref[ \t]+struct)\b",
        "class A<T> where T : class, allows ref struct { }\n",
    ),
    DownlevelRule(
        "modifier of a lambda's parameter (C# 14)", "csharp",
        r"[(,][ \t]*((?:ref[ \t]+readonly|out|ref|in|scoped)[ \t]+)(?=\w+[ \t]*[,)][^()\n]*=>)",
        "class A { P p = (text, out result) => F(text, out result); }\n",
    ),
    DownlevelRule(
        "name of a slice (C# 11)", "csharp", r"\.\.([ \t]*(?:var|\w+)[ \t]+\w+)(?=[ \t]*[,\]])",
        "class A { bool F(object o) => o is [_, .. var rest]; }\n",
    ),
    DownlevelRule(
        "directive of a file-based app (C# 14)", "csharp", r"^(#[:!][^\n]*)",
        "#:package A@1.0\nF();\n",
    ),
    DownlevelRule(
        "closed class (C# 15)", "csharp", r"\b(closed)[ \t]+(?=(?:class|record|partial)\b)",
        "closed class S { }\n",
    ),
    DownlevelRule(
        "guard (Kotlin 2.2)", "kotlin", r"(?<=[\w)\"\]])[ \t]+(if\b[^\n{}]*?)(?=->)",
        "fun f(a: A) = when (a) {\n    is Cat if a.hungry && a.old -> 1\n    else -> 3\n}\n",
    ),
    DownlevelRule(
        "multi-dollar string (Kotlin 2.2)", "kotlin", r"(\${2,})(?=\")",
        'val s = $$"""{"$id": $$name}"""\n',
    ),
    DownlevelRule(
        "@all: (Kotlin 2.2)", "kotlin", r"@(all:)(?=[\w\[])",
        "class A(@all:Email val email: String)\n",
    ),
    DownlevelRule(
        "context parameters (Kotlin 2.4)", "kotlin",
        r"\b(context[ \t]*\([^()]*(?:\([^()]*\)[^()]*)*\))(?=\s*(?:[(@]|(?:private|public|internal"
        r"|protected|suspend|inline|operator|override|abstract|open|infix|fun|val|var|class)\b))",
        "context(log: Logger)\nfun save(x: Int) {\n    log.info()\n}\n",
    ),
    DownlevelRule(
        "explicit backing field (Kotlin 2.4)", "kotlin",
        r"^[ \t]+(field[ \t]*(?::[^=\n]+)?=[^=\n][^\n]*)",
        "class A {\n    val names: List<String>\n        field = mutableListOf<String>()\n"
        "    fun run() = names\n}\n",
    ),
    DownlevelRule(
        "destructuring by name (Kotlin 2.4)", "kotlin",
        r"^[ \t]*(\([ \t]*va[lr][ \t][^()\n]*\))[ \t]*(?==)",
        "fun f() {\n    (val a, val b = c) = d\n}\n", "val a",
    ),
    DownlevelRule(
        "destructuring by place (Kotlin 2.4)", "kotlin",
        r"\bva[lr][ \t]+(\[[^\[\]\n]*\])[ \t]*(?==)",
        "fun f() {\n    val [a, b] = c\n}\n", "a",
    ),
    DownlevelRule(
        "final promotion (PHP 8.5)", "php",
        r"[(,]\s*(final)[ \t]+(?=(?:public|protected|private|readonly|[?\w\\|&]+[ \t]+\$))",
        "<?php\nclass A {\n    function __construct(final public int $x) {}\n}\n",
    ),
    DownlevelRule(
        "cast to void (PHP 8.5)", "php", r"(\([ \t]*void[ \t]*\))", "<?php\n(void) f();\n",
    ),
    DownlevelRule(
        "line that begins with || or or (Ruby 4.0)", "ruby", r"\n[ \t]*(\|\||or\b|and\b)",
        "x = a\n  || b\n  .c\n", "&&",
    ),
    DownlevelRule(
        "endless method of a command (Ruby 3.0)", "ruby",
        r"\bdef[ \t]+[\w.]+[?!]?(?:\([^()\n]*\))?[ \t]*=[ \t]*(\w+[?!]?[ \t]+)(?=[\"':@\w])",
        'def f(x) = puts "a"\n',
    ),
    DownlevelRule(
        "command substitution in the shell itself (Bash 5.3)", "bash", r"\$\{(?=[ \t\n]|(\|))",
        "x=${ echo hi; }\n", "", "()",
    ),
    DownlevelRule(
        "pattern of several (Bash, extglob)", "bash", r"(?<=[\s/])([!@?*+]\([^()\n]+\))",
        "echo !(a|b) x\n", "a",
    ),
)  # fmt: skip


@cache
def rules_of(language: Language) -> tuple[DownlevelRule, ...]:
    """Return the rules for what a language's grammar lacks."""
    return tuple(rule for rule in RULES if language.name in rule.languages.split())


@lru_cache(maxsize=32)
def downleveled(text: str, language: Language | None) -> str:
    """Return a text of the same length in which constructs its grammar lacks are written with
    others that it knows; the same text where there is none."""
    for rule in rules_of(language) if language else ():
        for _ in range(_MAX_ROUNDS):
            changed = _replaced(text, rule)
            if changed == text:
                break
            text = changed
    return text


def _replaced(text: str, rule: DownlevelRule) -> str:
    characters = list(text)
    for match in rule.regex.finditer(text):
        for start, end in _spans(match):
            fill = rule.fill.ljust(end - start)[: end - start]
            for at, character in enumerate(fill, start):
                # A line stays a line, and a character as many bytes as it has.
                if characters[at].isascii() and characters[at] != "\n":
                    characters[at] = character
        if rule.braces:
            for at, brace in zip(_partners(text, match.end() - 1), rule.braces, strict=False):
                characters[at] = brace
    return "".join(characters)


def _spans(match: re.Match[str]) -> Iterator[tuple[int, int]]:
    spans = (match.span(number) for number in range(1, match.re.groups + 1))
    return ((start, end) for start, end in spans if start >= 0)


def _partners(text: str, at: int) -> Iterator[int]:
    """Yield the place of a `{` and of the `}` that closes it, where there is one."""
    yield at
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            yield place
            return
