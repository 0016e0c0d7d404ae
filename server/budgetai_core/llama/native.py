"""llama.cpp's C functions, as llama-cpp-python binds them, and nothing else of that package: its
`__init__` loads chat templates with their engine, which takes longer than all that is used here.
"""

import importlib
import os
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

# GNU's OpenMP reads this once, when it is loaded. Its threads wait for each other by spinning, some
# milliseconds long: beside any other load that steals the processor from the thread they wait for.
# Four such processes on two cores: up to 92 ms a token as it comes, 61 ms so; alone, no difference.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_PACKAGE = "llama_cpp"

if TYPE_CHECKING:
    from llama_cpp import llama_cpp
else:

    def _bindings() -> ModuleType:
        """Import the one module, with an empty package around it while that takes."""
        spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
        if spec is None or spec.submodule_search_locations is None:
            return importlib.import_module(f"{_PACKAGE}.{_PACKAGE}")
        package = ModuleType(_PACKAGE)
        package.__path__ = spec.submodule_search_locations
        sys.modules[_PACKAGE] = package
        try:
            return importlib.import_module(f"{_PACKAGE}.{_PACKAGE}")
        finally:
            # Whoever else imports the package gets it whole.
            del sys.modules[_PACKAGE]

    llama_cpp = _bindings()

__all__ = ["llama_cpp"]
