"""Which server is asked, and with what: the settings of a model that runs elsewhere.

Nothing here opens a connection. What could give a secret away is refused before one is opened.
"""

import ipaddress
import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from budgetai_core.context.window import WindowLimits
from budgetai_core.errors import OptionError

TOKEN_VARIABLE = "BUDGETAI_TOKEN"
AUTO, LLAMA_SERVER, OPENAI = "auto", "llama-server", "openai"
DIALECTS = (AUTO, LLAMA_SERVER, OPENAI)
_MAX_TOKEN_CHARACTERS = 8192


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A server of a model. Raises OptionError where the settings make no sense or are unsafe.

    `model` is a model's or an adapter's name on the server; empty takes the server's first.
    `timeout`, in seconds, is the longest wait for a server to begin an answer, more tries included,
    and then for each next piece of it. `ca_file` replaces the system's certificate authorities.
    """

    url: str
    model: str = ""
    token: str = field(default="", repr=False)
    timeout: float = 10.0
    ca_file: Path | None = None
    dialect: str = AUTO
    limits: WindowLimits = WindowLimits()

    def __post_init__(self) -> None:
        self._check_url()
        if not 0.1 <= self.timeout <= 600:
            raise OptionError(f"--endpoint-timeout {self.timeout:g}s", "Use 0.1s to 10m")
        if self.dialect not in DIALECTS:
            raise OptionError(f"unknown dialect '{self.dialect}'", f"Use {', '.join(DIALECTS)}")
        if self.token and not self.private:
            raise OptionError(
                f"a token for {self.host} would travel unencrypted",
                "Use https:// in --endpoint, or remove the token",
            )

    def _check_url(self) -> None:
        # The address is not repeated where it may hold a password.
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError:
            raise OptionError("--endpoint is not an address", "Write https://host:port") from None
        if parts.username is not None or parts.password is not None or parts.query:
            raise OptionError(
                "--endpoint holds a password or a query",
                f"Write https://host:port, and put the token into {TOKEN_VARIABLE}",
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise OptionError(f"'{self.url}' is not an endpoint", "Write https://host:port")

    @property
    def base(self) -> str:
        """The address without a slash at its end, and without the /v1 of the OpenAI dialect."""
        return self.url.rstrip("/").removesuffix("/v1").rstrip("/")

    @property
    def host(self) -> str:
        """Host and port for messages; never anything secret."""
        return urlsplit(self.url).netloc

    @property
    def private(self) -> bool:
        """Nobody on the way can read along: encrypted, or not leaving this machine."""
        parts = urlsplit(self.url)
        return parts.scheme == "https" or _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the token from a file of the user's own, or from BUDGETAI_TOKEN; empty when there is
    none.

    Raises OptionError if the file cannot be read, others may read it, or it holds no token.
    """
    if file is None:
        return _checked(environment.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)
    try:
        with file.expanduser().open(encoding="utf-8") as stream:
            # The opened file is asked, so that it cannot be exchanged after the check.
            if os.name == "posix" and os.fstat(stream.fileno()).st_mode & (
                stat.S_IRWXG | stat.S_IRWXO
            ):
                command = shlex.join(["chmod", "600", str(file.expanduser())])
                raise OptionError(f"others can read the token in {file}", f"Run: {command}")
            text = stream.read(_MAX_TOKEN_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise OptionError(f"the token file {file} cannot be read: {reason}") from None
    token = _checked(text, str(file))
    if not token:
        raise OptionError(f"the token file {file} is empty")
    return token


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if len(token) > _MAX_TOKEN_CHARACTERS or not all("!" <= char <= "~" for char in token):
        raise OptionError(
            f"{where} holds no token", "A token is one line of letters, digits and signs"
        )
    return token
