"""The one command, `budgetai`, above server, trainer and converter: none of them imports it."""
