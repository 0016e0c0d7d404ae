"""`python -m budgetai_training`, the form that `accelerate launch -m` needs."""

import sys

from budgetai_training.cli import main

sys.exit(main())
