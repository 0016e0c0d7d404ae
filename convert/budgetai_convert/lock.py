"""One conversion at a time for each final name, and no rests of killed ones."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from budgetai_core.errors import StorageError


@contextmanager
def locked(final: Path) -> Iterator[None]:
    """Keep other conversions from writing `final`, and clear away what killed ones have left.

    The lock is the system's, so that it goes with its process. Raises StorageError.
    """
    lock = final.parent / f".{final.name}.lock"
    with lock.open("w") as held:
        if not (_locked(held.fileno()) and _still_there(lock, held.fileno())):
            raise StorageError(f"another conversion is writing {final}", "Wait for it to end")
        try:
            _sweep(final.parent, lock)
            yield
        finally:
            lock.unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        # Windows: files that are open cannot be replaced there anyway.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(lock: Path, descriptor: int) -> bool:
    """Between opening and locking, the one before may have taken its lock file away."""
    return lock.exists() and os.path.samestat(lock.stat(), os.fstat(descriptor))


def _sweep(folder: Path, own: Path) -> None:
    """What stands beside a lock that nobody holds belongs to nobody."""
    for lock in folder.glob(".*.lock"):
        with suppress(OSError), lock.open("r+") as held:
            if lock != own and not _locked(held.fileno()):
                continue
            for left in folder.glob(f"{lock.name.removesuffix('.lock')}.*"):
                if left != own:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
