"""Docstrings: what could have one, what it says, how a repository writes it, and where it stands.

Pure: texts in, texts out. A docstring here is also the comment that other languages put above a
definition.
"""
