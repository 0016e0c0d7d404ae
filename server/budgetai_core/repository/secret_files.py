"""Files that exist to hold secrets, by their names: they are neither learned, nor indexed, nor
completed in. Pure functions.

Code is not among them: a `credentials.py` handles secrets more often than it holds any.
"""

from budgetai_core.repository.wildmatch import Patterns

_DATA = ("json", "yaml", "yml", "toml", "ini", "cfg", "conf", "env", "xml", "csv", "txt",
         "properties", "tfvars", "enc", "gpg")  # fmt: skip
SECRET_FILES: tuple[str, ...] = (
    ".env", ".env.*", "*.env", "!.env.example", "!.env.sample", "!.env.template", ".envrc",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.asc",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "!*.pub",
    ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials",
    ".aws/credentials", ".docker/config.json", ".kube/config", "*.tfstate", "*.tfstate.*",
    "credentials", "secrets", "!credentials/", "!secrets/",
    *(f"{name}.{data}" for name in ("credentials", "secrets") for data in _DATA),
)  # fmt: skip
"""Patterns as in .gitignore, in lower case."""


def holds_secrets(path: str) -> bool:
    """Return whether the file of this name, a relative path with slashes, holds secrets."""
    return bool(_PATTERNS.covers(path.lower()))


_PATTERNS = Patterns(SECRET_FILES)
