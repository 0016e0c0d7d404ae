"""From the files of a repository to its index, and how the index follows them.

Reading and parsing happen in a process of its own, whose lock is not the event loop's; what has
been found is kept on disk by content. The index itself is the core's, and lives in memory.
"""
