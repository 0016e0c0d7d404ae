"""Texts that stand in place of files: what git LFS, git-annex and a checkout without symbolic links
leave where the file itself is not. Pure functions.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md and
https://git-annex.branchable.com/internals/pointer_file/
"""

import re

from budgetai_core.context.languages import language_of

# A pointer of LFS is smaller by its definition, one of git-annex by its.
_MAX_LFS = 1024
_MAX_ANNEX = 32_768
_MAX_LINK = 4_096
# The second is what LFS was called before.
_LFS = ("version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/")
# Git writes the target of a link and no line end. Nobody's code is one such path and nothing else.
_PLAIN = r"[^\s'\"()<>;:=,*\[\]{}]"
_LINK = re.compile(rf"\.{{1,2}}/[^\n]+|(?!//){_PLAIN}*/{_PLAIN}+")
# As some network drives keep links: this line, a length, a checksum and the target.
_XSYM = re.compile(r"XSym\n\d{4}\n[0-9a-f]{32}\n")


def stand_in(text: str) -> str:
    """Return the reason to leave a text out, if it is not a file but stands in place of one."""
    if len(text) < _MAX_LFS and text.startswith(_LFS):
        return "git LFS pointer"
    if len(text) < _MAX_ANNEX and text.startswith("/annex/objects/"):
        return "git-annex pointer"
    return "symlink as text" if len(text) < _MAX_LINK and _is_link(text) else ""


def _is_link(text: str) -> bool:
    if "\n" in text:
        return bool(_XSYM.match(text))
    name_of_code = language_of(text) is not None and not re.search(r"\s", text)
    return name_of_code or bool(_LINK.fullmatch(text))
