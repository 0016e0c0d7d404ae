"""Draw the page of a report again: `python -m budgetai_training.report FOLDER`."""

import argparse
import sys
from pathlib import Path

from budgetai_core.command import run
from budgetai_training.report.report_files import read, write


def _main() -> int:
    parser = argparse.ArgumentParser(prog="budgetai_training.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with a report.json")
    folder = parser.parse_args().folder
    print(write(read(folder), folder))
    return 0


if __name__ == "__main__":
    sys.exit(run("budgetai_training.report", _main))
