"""What two sequences have in common at their beginning."""

from collections.abc import Sequence


def common_length(a: Sequence[object], b: Sequence[object]) -> int:
    """Return the length of the longest common beginning."""
    low, high = 0, min(len(a), len(b))
    # Comparing slices is done in C: prompts and documents are long, and each key compares.
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
