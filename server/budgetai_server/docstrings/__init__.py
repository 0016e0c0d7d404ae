"""Docstrings that a model writes: the story, in an editor, over a whole tree, and evaluated.

`docstrings` knows what they look like, and nothing of models, files or editors.
"""
