"""A repository with a habit that even a tiny model learns in a few steps.

It is small, because a run costs what its held-out lines cost to judge: each has places of several
kinds to ask for.
"""

from pathlib import Path

MODULES = range(12)


def write_modules(
    root: Path, numbers: range = MODULES, *, constant: int = 0, functions: int = 1
) -> Path:
    """Write a module for each number, and return the folder. Another `constant` is other code."""
    root.mkdir(exist_ok=True)
    for number in numbers:
        body = "".join(
            f"def total_{number}_{i}(price, count):\n"
            f"    return price * count + {i + constant}\n\n\n"
            for i in range(functions + number % 3)
        )
        (root / f"module_{number}.py").write_text(f'"""Module {number}."""\n\n\n{body}')
    return root
