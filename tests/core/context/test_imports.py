"""What a file imports, told by paths: one case a line, in each language."""

import pytest

from budgetai_core.context.imports import files, targets
from budgetai_core.context.languages import language_of
from budgetai_core.context.path_suffixes import PathSuffixes
from budgetai_core.context.symbols import file_symbols

CASES = [
    ("app/a.py", "import lib.b\n", "lib/b.py"),
    ("app/a.py", "import os, lib.b as short\n", "lib/b.py"),
    ("src/p/a.py", "from p.q import b\n", "src/p/q/b.py"),
    ("src/p/a.py", "from p.q import (  # the rest\n    b, c)\n", "src/p/q/b.py"),
    ("p/a.py", "from .b import thing as other\n", "p/b.py"),
    ("p/a.py", "from .b import *\n", "p/b.py"),
    ("p/q/a.py", "from ..b import thing\n", "p/b.py"),
    ("p/q/a.py", "from . import b\n", "p/q/b.py"),
    ("a.py", "from . import b\n", "b.py"),
    ("p/a.py", "from p import thing\n", "p/__init__.py"),
    ("v1.2/a.py", "from .b import c\n", "v1.2/b.py"),
    ("p/a.py", "if TYPE_CHECKING:\n    from p.b import Thing\n", "p/b.py"),
    ("web/a.ts", "import { x } from './b'\n", "web/b.ts"),
    ("web/a.ts", 'export * from "../lib/b.js"\n', "lib/b.ts"),
    ("web/a.tsx", "import B from './b'\n", "web/b.tsx"),
    ("web/a.jsx", "const b = require('./b')\n", "web/b/index.js"),
    ("cmd/a.go", 'package main\nimport (\n\t"fmt"\n\t"x.org/m/in/b"\n)\n', "in/b/"),
    ("cmd/a.go", 'package main\nimport short "x.org/m/in/b"\n', "in/b/"),
    ("s/A.java", "import org.x.B;\n", "s/org/x/B.java"),
    ("s/A.java", "import static org.x.B.member;\n", "s/org/x/B.java"),
    ("s/A.java", "import org.x.*;\n", "s/org/x/"),
    ("src/lib.rs", "mod b;\n", "src/b.rs"),
    ("src/a.rs", "use crate::b::inner::Thing;\n", "src/b/mod.rs"),
    ("src/a.rs", "use crate::{b::Thing, other};\n", "src/b.rs"),
    ("src/c/a.rs", "use super::b::Thing;\n", "src/c/b.rs"),
    ("src/a.c", '#include "b.h"\n', "src/b.h"),
    ("src/a.c", "#include <x/b.h>\n", "include/x/b.h"),
    ("src/a.cpp", '#include "x/b.hpp"\n', "include/x/b.hpp"),
    ("app/a.rb", "require_relative 'b'\n", "app/b.rb"),
    ("app/a.rb", "require_relative '../lib/b'\n", "lib/b.rb"),
    ("test/a.rb", 'require "shop/b"\n', "lib/shop/b.rb"),
    ("src/A.php", "<?php\nuse App\\Models\\User;\n", "src/Models/User.php"),
    ("src/A.php", "<?php\nrequire_once 'b.php';\n", "src/b.php"),
    ("app/a.lua", 'local b = require("shop.b")\n', "lua/shop/b.lua"),
    ("app/a.lua", 'local b = require "shop"\n', "lua/shop/init.lua"),
    ("bin/a.sh", "source ./b.sh\n", "bin/b.sh"),
    ("bin/a.sh", '. "$(dirname "$0")/lib/b.sh"\n', "bin/lib/b.sh"),
    ("src/Shop/A.cs", "using Shop.Models;\n", "src/Shop/Models/"),
    ("src/A.kt", "import org.x.B\n", "src/org/x/B.kt"),
    ("src/A.kt", "import org.x.helper\n", "src/org/x/"),
    ("src/A.kt", "import org.x.model.B\n", "src/model/B.java"),
]


def resolved(path: str, text: str, *others: str) -> tuple[str, ...]:
    return targets(
        file_symbols(text, language_of(path)).imports, path, PathSuffixes([path, *others])
    )


@pytest.mark.parametrize(("path", "text", "target"), CASES)
def test_an_import_names_a_file(path: str, text: str, target: str) -> None:
    file = f"{target}b.{path.rpartition('.')[2]}" if target.endswith("/") else target
    assert resolved(path, text, file, "other/unrelated.py") == (target,)


NOTHING = [
    ("p/a.py", "import json\nimport re\n", ("p/__init__.py", "p/json.py")),
    ("p/a.ts", "import b from 'b'\n", ("p/b.ts",)),
    ("src/a.c", "#include <string.h>\n", ("src/string.h",)),
    ("src/A.php", "<?php\nuse Exception;\n", ("src/Exception.php",)),
    ("src/A.cs", "using System.Linq;\n", ("src/Linq/Linq.cs",)),
    ("a.py", "from . import a\n", ()),
    ("a.py", "from .............................. import b\n", ("b.py",)),
    ("notes.swift", "import Foundation\n", ("Foundation.swift",)),
]


@pytest.mark.parametrize(("path", "text", "others"), NOTHING)
def test_what_is_not_of_the_repository_is_left_out(
    path: str, text: str, others: tuple[str, ...]
) -> None:
    assert resolved(path, text, *others) == ()


def test_a_folder_stands_for_its_files() -> None:
    imported = file_symbols('package main\nimport "m/in"\n', language_of("a.go")).imports
    paths = PathSuffixes(["a.go", "in/x.go", "in/y.go", "in/deep/z.go"])
    assert files(imported, "a.go", paths) == ("in/x.go", "in/y.go")


def test_paths_that_went_are_found_no_more() -> None:
    paths = PathSuffixes(["lib/b.py", "old/lib/b.py"])
    assert paths.near("lib/b.py", "app/a.py") == "lib/b.py"
    paths.remove("lib/b.py")
    paths.remove("lib/b.py")
    assert paths.near("lib/b.py", "app/a.py") == "old/lib/b.py"
    paths.add("app/lib/b.py")
    assert paths.near("lib/b.py", "app/a.py") == "app/lib/b.py"
    paths.remove("old/lib/b.py")
    assert not paths.has_folder("old/lib")
