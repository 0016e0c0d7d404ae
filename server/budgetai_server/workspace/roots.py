"""Which folder is a workspace: the repository that a file lies in, and never a user's home."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def as_path(name: str) -> Path:
    """Return the path that a client names, be it by a file URI."""
    try:
        return Path(url2pathname(urlsplit(name).path) if name.startswith("file://") else name)
    except ValueError:
        return Path(name)


def holds_home(root: Path) -> bool:
    """Return whether a folder is the user's home or one around it: some editors name it where they
    know no project, and nobody wants all of it read."""
    try:
        return Path.home().resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return root == Path(root.anchor)


def repository_of(path: Path) -> Path | None:
    """Return the nearest folder at or above a path that is a git repository; None where there is
    none, or it holds the user's home. A link belongs to the folder it lies in."""
    text = str(path)
    # A name on another machine (//host/share) would be asked for there, with the user's password.
    if not path.is_absolute() or text.startswith(("//", "\\\\")) or "\0" in text:
        return None
    try:
        place = path.parent.resolve() / path.name
        for folder in (place, *place.parents):
            if (folder / ".git").exists():
                return None if holds_home(folder) else folder
    except (OSError, RuntimeError):
        # A name too long for the disk, a folder that is closed to us, links in a circle.
        pass
    return None
