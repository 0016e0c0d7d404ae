"""What a conversion has on disk before it is done, and what killed ones have left.

A lock of the system's goes with its process, however that ends. What stands beside a lock that
nobody holds belongs to nobody, and the next conversion clears it away.
"""

import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from budgetai_core.errors import StorageError

_PREFIX, _LOCK = "budgetai-convert-", ".lock"


@contextmanager
def locked(final: Path) -> Iterator[None]:
    """Keep other conversions from writing `final`, and clear away what killed ones have left.

    The lock is the system's, so that it goes with its process. Raises StorageError."""
    path = final.parent / f".{final.name}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StorageError(f"another conversion is writing {final}", "Wait for it to end") from None
    try:
        _sweep(final.parent, path)
        yield
    finally:
        # While it is still held: whoever opened the same file meanwhile sees that it is gone.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _sweep(folder: Path, own: Path) -> None:
    """Delete what stands beside a lock that nobody holds: it belongs to nobody."""
    for path in folder.glob(".*.lock"):
        lock = FileLock(path)
        with suppress(OSError):
            if path != own:
                lock.acquire(blocking=False)
            for left in folder.glob(glob.escape(path.name.removesuffix("lock")) + "*"):
                if left != own:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
        lock.release()


@contextmanager
def scratch(final: Path, beside: Path) -> Iterator[Path]:
    """Make a folder for what comes before `final`. It is cleared away, or, after a kill, swept by
    the next conversion."""
    with tempfile.TemporaryDirectory(prefix=f".{final.name}.", dir=beside) as name:
        yield Path(name)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give an empty folder in the system's place for such. It is cleared away at the end, or, after
    a kill, by the next conversion that needs one."""
    _sweep_temporary()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(blocking=False)
            break
        except (Timeout, FileNotFoundError):
            # Another conversion has looked at it before it was ours, and clears it away.
            continue
    try:
        inside = folder / "files"
        inside.mkdir()
        yield inside
    finally:
        # First what is large: while the lock is held, nobody else clears it away.
        shutil.rmtree(folder / "files", ignore_errors=True)
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep_temporary() -> None:
    """Delete folders whose lock nobody holds. One without a lock is just being made."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        lock = FileLock(path)
        # Those of other users stay.
        with suppress(OSError):
            lock.acquire(blocking=False)
            shutil.rmtree(path.parent, ignore_errors=True)
            lock.release()
            # Some systems delete no file that is open.
            shutil.rmtree(path.parent, ignore_errors=True)
