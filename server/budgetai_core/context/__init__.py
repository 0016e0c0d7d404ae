"""The core: a place in a file becomes a prompt. Pure functions over text; no IO, no model.

Both ends call it: the server at every keystroke, the trainer to make samples. It imports the
standard library and tree-sitter only, and never raises on broken source.
"""
