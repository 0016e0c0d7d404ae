"""How good a model is on held-out files of a repository."""
