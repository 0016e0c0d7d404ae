"""Line ends: prompts and edits are made of texts with \\n, documents and files have what they have.

Pure functions. Offsets count characters.
"""


def plain(source: str) -> str:
    """Return a text with \\n in the place of each \\r\\n."""
    return source.replace("\r\n", "\n")


def in_source(source: str, offset: int) -> int:
    """Return where a character of `plain(source)` stands in the source itself."""
    at = 0
    for line in source.split("\r\n"):
        if offset <= len(line):
            return at + offset
        offset -= len(line) + 1
        at += len(line) + 2
    return len(source)


def like(source: str, text: str) -> str:
    """Return a text with \\n at its line ends, as it is to be put into the source."""
    return text.replace("\n", "\r\n") if "\r\n" in source else text
