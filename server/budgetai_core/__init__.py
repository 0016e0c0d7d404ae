"""What server, trainer and converter share: the prompt, the repository, the artifacts on disk."""

__version__ = "0.1.0"
