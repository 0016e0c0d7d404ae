"""Which files of a repository are its code, and why the others are not. The IO beside the core.

The repository is untrusted: links are not followed, sizes are checked before reading, and git is
asked with everything off that could run a program or use a network.
"""

from budgetai_core.repository.files import (
    MAX_FILE_BYTES,
    Decision,
    SourceFile,
    open_repository,
    read_source,
    sources,
)
from budgetai_core.repository.listing import listing, relative

__all__ = [
    "MAX_FILE_BYTES",
    "Decision",
    "SourceFile",
    "listing",
    "open_repository",
    "read_source",
    "relative",
    "sources",
]
