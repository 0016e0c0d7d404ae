"""`python -m budgetai`: the one command, where its script is not on the PATH."""

import sys

from budgetai.cli import main

sys.exit(main())
