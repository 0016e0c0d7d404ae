"""What server, trainer and converter share: the prompt, the repository, the artifacts on disk."""


def version() -> str:
    """Return the version that is installed; "unknown" for files that were never installed."""
    # Not above: it takes a twentieth of a second, and few ask.
    from importlib import metadata

    try:
        return metadata.version("budgetai")
    except metadata.PackageNotFoundError:
        return "unknown"
