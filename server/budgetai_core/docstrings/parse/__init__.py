"""Docstring texts taken apart, one module a style."""
