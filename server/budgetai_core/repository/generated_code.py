"""Who wrote a file: people here, people elsewhere, or a program. Pure functions.

The conventions are those that GitHub's linguist knows too: names of folders with other people's
code, names that generators choose, and the remarks they leave at the head of a file.
"""

import re

_FOLDERS = (
    r"vendors?|_?vendored|_vendor|node_modules|bower_components|jspm_packages|site-packages"
    r"|(?:3rd|third)[-_]?party|3rdparty|extern(?:als?)?|dist|godeps|pods|carthage|\.yarn|\.bundle|venv|\.venv"
)
_LIBRARIES = (
    r"(?:jquery|bootstrap|angular|react(?:-dom)?|vue|lodash|underscore|backbone|modernizr|d3|three"
    r"|moment|handlebars|ember|require|prototype|mootools)(?:[-.]v?\d[\d.]*)?(?:\.slim|\.core)?\.js"
)
_VENDORED = re.compile(
    rf"(?:^|/)(?:{_FOLDERS})/|^deps/|(?:^|/)(?:{_LIBRARIES}|sqlite3\.[ch]|\.pnp\.[cm]?js)$", re.I
)
_GENERATED = re.compile(
    r"_pb2(?:_grpc)?\.pyi?$|\.pb(?:\.gw|\.validate)?\.(?:go|cc|h|swift)$|_pb\.(?:js|d\.ts|rb)$"
    r"|_grpc_pb\.(?:js|d\.ts)$|\.(?:g|freezed|gr|mocks)\.dart$|\.(?:g|g\.i|designer|generated)\.cs$"
    r"|(?:^|/)zz_generated\.[^/]*\.go$|_generated\.(?:go|h|rs|py|ts|js|cs|java|kt|swift)$"
    r"|\.(?:gen|generated)\.(?:go|ts|tsx|js|py|rs|swift|kt|java)$|(?:^|/)bindata\.go$"
    r"|(?:^|/)(?:parsetab|lextab)\.py$|(?:^|/)(?:y\.tab|lex\.yy)\.[ch]$|(?:^|/)moc_[^/]+\.cpp$"
    r"|(?:^|/)(?:ui|qrc)_[^/]+\.(?:h|cpp|py)$|\.bundle\.js$|\.xcframework/",
    re.I,
)
_MINIFIED = re.compile(r"[-.]min\.(?:js|mjs|cjs)$", re.I)
_LOCKS = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?"
    r"|cargo\.lock|poetry\.lock|pipfile\.lock|pdm\.lock|uv\.lock|gemfile\.lock|composer\.lock|go\.sum"
    r"|podfile\.lock|mix\.lock|flake\.lock|pubspec\.lock|packages\.lock\.json|cartfile\.resolved"
    r"|package\.resolved|deno\.lock|\.terraform\.lock\.hcl|gopkg\.lock|glide\.lock|conan\.lock)$",
    re.I,
)
# The remark has to be a comment of its own: a program that writes such remarks is not generated.
_REMARK = re.compile(
    r"^\s*(?:#+|//+|/\*+|\*+|--+|;+|<!--|\"{3})!?\s*(?:"
    r".*\bcode generated\b.*\bdo not (?:edit|modify)"
    r"|.*\bdo not (?:edit|modify)\b.*\bgenerated\b"
    r"|.*\bgenerated\b.*\bdo not (?:edit|modify)"
    r"|(?:[-=*]+\s*)?@(?:partially-)?generated\b"
    r"|<auto-?generated"
    r"|(?:[-=*]+\s*)?(?:this (?:file|code|module|source|class|header)\b.{0,60}\b)?"
    r"(?:was |is |has been |were )?(?:auto(?:matically)?[- ]?generated)\b(?! (?:id|name|value|key))"
    r"|generated (?:by|from|with|using|automatically|on)\b"
    r"|this (?:file|code|module) (?:was|is|has been) generated\b)",
    re.I | re.M,
)
_HEAD_LINES = 12


def vendored(path: str) -> bool:
    """Return whether the name says that the file was taken over from elsewhere."""
    return bool(_VENDORED.search(path))


def lock_file(path: str) -> bool:
    return bool(_LOCKS.search(path))


def named_generated(path: str) -> bool:
    return bool(_GENERATED.search(path))


def named_minified(path: str) -> bool:
    return bool(_MINIFIED.search(path))


def says_generated(text: str) -> bool:
    """Return whether a comment at the head of the text says that a program wrote it."""
    head = "\n".join(text[:4_000].split("\n")[:_HEAD_LINES])
    return bool(_REMARK.search(head))
