"""Which lines differ between two versions of a text."""

from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Indel


def hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield runs of lines that differ: first and past the last, in the old text and in the new
    one."""
    hunk: list[int] | None = None
    for step in Indel.opcodes(old, new):
        if step.tag == "equal":
            if hunk:
                yield hunk[0], hunk[1], hunk[2], hunk[3]
            hunk = None
        elif hunk:
            hunk[1], hunk[3] = step.src_end, step.dest_end
        else:
            hunk = [step.src_start, step.src_end, step.dest_start, step.dest_end]
    if hunk:
        yield hunk[0], hunk[1], hunk[2], hunk[3]
