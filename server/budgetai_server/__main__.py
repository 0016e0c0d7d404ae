"""`python -m budgetai_server`: the language server, for editors that know only the interpreter."""

import sys

from budgetai_server.cli.server import main

sys.exit(main())
