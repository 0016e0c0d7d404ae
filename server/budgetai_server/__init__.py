"""The language server, and the prompt core that the trainer shares with it."""

__version__ = "0.1.0"
