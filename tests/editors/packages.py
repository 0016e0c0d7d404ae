"""BudgetAI as a package that pip installs without a network."""

import sys
import zipfile
from pathlib import Path

INFO = "budgetai-0.dist-info"
PROGRAM = "budgetai-server = budgetai_server.cli.server:main"


def make_wheel(folder: Path) -> Path:
    """Like an editable install: what it puts into an environment leads to this checkout and to what
    is installed beside it."""
    here = "".join(f"{path}\n" for path in sys.path if Path(path).is_dir())
    members = {
        "budgetai.pth": here,
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: budgetai\nVersion: 0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/entry_points.txt": f"[console_scripts]\n{PROGRAM}\n",
    }
    members[f"{INFO}/RECORD"] = "".join(f"{name},,\n" for name in members)
    file = folder / "budgetai-0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for name, text in members.items():
            wheel.writestr(name, text)
    return file
