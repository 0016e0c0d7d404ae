"""`python -m budgetai_convert`: the converter, where only the interpreter is known."""

import sys

from budgetai_convert.cli import main

sys.exit(main())
