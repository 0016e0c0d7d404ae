"""Which language a file is in, told by names and by small texts like real ones."""

import pytest

from budgetai_core.context import linguist, naming
from budgetai_core.context.languages import language_called, language_named, language_of

NAMES = {
    "src/main.vhd": "VHDL", "top.sv": "SystemVerilog", "pay.cbl": "COBOL",
    "a.f90": "Fortran Free Form", "a.jl": "Julia", "Main.hs": "Haskell", "a.ml": "OCaml",
    "a.exs": "Elixir", "core.clj": "Clojure", "a.zig": "Zig", "a.nim": "Nim", "a.dart": "Dart",
    "a.sol": "Solidity", "a.gd": "GDScript", "a.ps1": "PowerShell", "a.vim": "Vim script",
    "a.nix": "Nix", "main.tf": "HCL", "a.sql": "SQL", "a.html": "HTML", "a.css": "CSS",
    "a.vue": "Vue", "a.svelte": "Svelte", "a.adb": "Ada", "a.proto": "Protocol Buffer",
    "a.graphql": "GraphQL", "Makefile": "Makefile", "deploy/Dockerfile": "Dockerfile",
    "CMakeLists.txt": "CMake", "a.TcPOU": "Structured Text", "Rakefile": "ruby",
    "a.pyi": "python", ".bashrc": "bash", "a.blade.php": "php",
}  # fmt: skip
NO_CODE = (
    "a.json", "a.csv", "a.md", "a.yml", "a.toml", "notes.txt", "package-lock.json", "a.svg",
    "a.xml", "a.xml", "a.ipynb", "README", "a.png", "a.unheard",
)  # fmt: skip
# Texts of endings that languages share.
TEXTS = {
    "C": ("a.h", "#ifndef A_H\n#define A_H\n#include <stdio.h>\nint add(int a, int b);\n#endif\n"),
    "C++": ("a.h", "#pragma once\n#include <vector>\nnamespace shop {\nclass Cart;\n}\n"),
    "Objective-C": ("a.h", "#import <Foundation/Foundation.h>\n@interface Cart : NSObject\n@end\n"),
    "MATLAB": ("a.m", "function y = area(r)\n% AREA of a circle\ny = pi * r^2;\nend\n"),
    "Objective-C m": ("a.m", '#import "Cart.h"\n@implementation Cart\n- (void)add {}\n@end\n'),
    "Wolfram Language": ("a.m", 'BeginPackage["Shop`"]\nArea[r_] := Pi r^2\nEndPackage[]\n'),
    "Verilog": ("a.v", "module top(input clk);\n  always @(posedge clk) q <= d;\nendmodule\n"),
    "Rocq Prover": ("a.v", "Require Import Arith.\nLemma a : 1 = 1.\nProof. reflexivity. Qed.\n"),
    "V": ("a.v", "module main\n\nfn main() {\n\tprintln('hi')\n}\n"),
    "Perl": ("a.pl", "use strict;\nmy $x = 1;\nsub add { return $_[0] + 1; }\n"),
    "Prolog": ("a.pl", ":- module(shop, []).\nparent(tom, bob).\ngrand(X, Y) :- parent(X, Y).\n"),
    "Raku": ("a.t", "use v6;\nuse Test;\nplan 2;\n"),
    "Perl t": ("a.t", "use strict;\nuse Test::More tests => 2;\nok(1);\n"),
    "Structured Text": ("a.st", "FUNCTION_BLOCK Lamp\nVAR_INPUT\n  on : BOOL;\nEND_VAR\n"),
    "Smalltalk": ("a.st", "Object subclass: #Cart\n  instanceVariableNames: 'lines'\n"),
    "StringTemplate": ("a.st", 'group java;\nclass(name) ::= "class $name$ {}"\n'),
    "F#": ("a.fs", "module Shop\n\nlet total lines = List.sum lines\n"),
    "GLSL": ("a.fs", "#version 330 core\nout vec4 color;\nvoid main() { color = vec4(1.0); }\n"),
    "Forth": ("a.fs", "\\ squares\n: square ( n -- n ) dup * ;\n"),
    "TeX": ("a.cls", "\\NeedsTeXFormat{LaTeX2e}\n\\ProvidesClass{shop}\n"),
    "Apex": ("a.cls", "public with sharing class Cart {\n  Integer total;\n}\n"),
    "Visual Basic 6.0": ("a.cls", "VERSION 1.0 CLASS\nBEGIN\n  MultiUse = -1\nEND\n"),
    "VBA": ("a.cls", 'Attribute VB_Name = "Cart"\nOption Explicit\n'),
    "PHP": ("a.inc", "<?php\nfunction total($lines) { return 1; }\n"),
    "Pascal": ("a.inc", "{$IFDEF FPC}\nprocedure Add(x: Integer);\nbegin\nend;\n{$ENDIF}\n"),
    "Assembly": ("a.inc", "section .text\nglobal start\nstart:\n  mov eax, 1\n"),
    "Puppet": ("a.pp", "class shop {\n  package { 'nginx': ensure => installed }\n}\n"),
    "Pascal pp": ("a.pp", "unit Shop;\ninterface\nuses SysUtils;\nimplementation\nend.\n"),
    "QMake": ("a.pro", "QT += core gui\nTARGET = shop\nSOURCES += main.cpp\n"),
    "IDL": ("a.pro", "pro plot_it, x, y\n  compile_opt idl2\n  plot, x, y\nend\n"),
    "Proguard": ("a.pro", "-keep class com.shop.** { *; }\n-dontwarn okio.**\n"),
    "D": ("a.d", "module shop.cart;\nimport std.stdio;\nvoid main() { writeln(1); }\n"),
    "Makefile": ("a.d", "cart.o: src/cart.c \\\n src/cart.h\n"),
    "DTrace": ("a.d", "syscall::read:entry\n{\n  @[execname] = count();\n}\n"),
    "R": ("a.R", "library(dplyr)\ntotal <- function(x) sum(x)\n"),
    "Rebol": ("a.r", 'REBOL [ Title: "shop" ]\nprint 1\n'),
    "TypeScript": ("a.ts", "export const a: number = 1;\n"),
    "XML": ("a.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS version="2.1"></TS>\n'),
    "Shell": ("tool", "#!/usr/bin/env -S bash -e\necho hi\n"),
    "Python": ("tool", "#!/usr/bin/python3.12\nprint(1)\n"),
    "Tcl": ("tool", "#!/usr/bin/env tclsh\nputs hi\n"),
    "Erlang": ("tool", "%% -*- mode: erlang -*-\nmain(_) -> ok.\n"),
    "PHP Drupal": ("shop.module", "<?php\n\nfunction shop_help() {}\n"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "language"), NAMES.items())
def test_names(path: str, language: str) -> None:
    known = language_of(path)
    assert known is not None
    assert known.name == language


@pytest.mark.parametrize("path", NO_CODE)
def test_what_is_not_code(path: str) -> None:
    assert language_of(path, "some text\n") is None


@pytest.mark.parametrize(("language", "file"), TEXTS.items())
def test_texts_tell_where_names_do_not(language: str, file: tuple[str, str]) -> None:
    known = naming.named(*file)
    assert known is not None
    assert language.startswith(known.name)


def test_a_text_that_does_not_tell_is_in_what_others_are() -> None:
    silent = "x\n"
    usual = naming.named("a.st", silent, "Structured Text")
    assert usual and usual.name == "Structured Text"
    alone = naming.named("a.st", silent)
    assert alone and alone.name == "Smalltalk"
    other = naming.named("a.st", silent, "Python")
    assert other == alone, "no language of this ending"


def test_the_rules_name_languages_of_the_table() -> None:
    for ending, rules in naming._rules().items():
        for name, _ in rules:
            known = linguist.entry(name)
            assert known and known.name == name, (ending, name)


def test_every_language_can_be_named() -> None:
    entries = linguist.entries()
    assert len(entries) > 800
    for known in entries:
        assert language_named(known.name.lower()).comment
        called = language_called(known.name)
        assert (called is not None) == known.is_code or (called and called.grammar)
    assert language_named("Acme").name == "Acme"
    assert language_called("Acme") is None
    assert language_named("Visual-Basic-.NET").name == "Visual Basic .NET"


def test_names_that_tell_are_looked_up_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file of a repository is named so: no rule is tried, no text is searched."""

    def searched(*_: object) -> None:
        raise AssertionError("a text is searched")

    for search in ("_by_modeline", "_by_shebang", "_told_by_rule"):
        monkeypatch.setattr(naming, search, searched)
    for path in (*NAMES, *NO_CODE):
        language_of(path)


@pytest.mark.parametrize("ending", [*naming._rules()])
def test_every_text_is_told_in_the_end(ending: str) -> None:
    """Patterns that try again from each character would take minutes over long lines: more than a
    test has."""
    for unit in ("a", " ", "\n", "a ", "(", "A[", "a(", "$a", "x=;", "\t\n", "|a"):
        naming.named(f"a{ending}", unit * (30_000 // len(unit)))
