"""Who may ask: programs of this machine that know the key, and no page of a browser.

The loopback is not private: any page that is open in a browser can send requests there, by a name
that leads to it, too.
"""

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from budgetai_core.artifacts import atomic_write, layout
from budgetai_server.gateway.refusal import refusal
from budgetai_server.inference.remote.endpoint import read_token

KEY_NAME = "gateway.key"
_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OPEN_PATHS = frozenset({"/health", "/v1/health"})
# For plugins that cannot send a header: /key/KEY in front of the path.
_KEY_PATH = "/key/"


def own_key(file: Path | None) -> tuple[str, Path]:
    """Return the key, and the file it stands in: one the user names, or the one in the data folder,
    which is made where there is none. Raises OptionError as `read_token` does."""
    path = file or layout.home() / KEY_NAME
    if file is None and not path.exists():
        with atomic_write.replaced(path, mode=0o600) as temporary:
            temporary.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
    return read_token(path), path


class Guard:
    """Lets through to an application what may come in."""

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        """Stand before `app`. Without a `key` none is asked for."""
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        scope, key = _parted(scope)
        if not from_a_program(headers):
            words = "pages of a browser are not answered"
            await refusal(scope["path"], 403, words)(scope, receive, send)
        elif not (scope["path"] in _OPEN_PATHS or self._knows(key, headers)):
            words = "the key is missing or another one; the gateway has said where it stands"
            bearer = {"WWW-Authenticate": "Bearer"}
            await refusal(scope["path"], 401, words, bearer)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows(self, key: str, headers: Mapping[str, str]) -> bool:
        if self._key is None:
            return True
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        given = (
            bearer.strip() if kind.lower() == "bearer" else "",
            headers.get("x-api-key", ""),
            key,
        )
        known = self._key.encode()
        return any(hmac.compare_digest(text.encode("utf-8", "replace"), known) for text in given)


def from_a_program(headers: Mapping[str, str]) -> bool:
    """Return whether a request does not come from a page: browsers say where they come from, and
    which name they have looked up."""
    host = headers.get("host", "")
    name = host[: host.index("]") + 1] if "]" in host else host.partition(":")[0]
    site = headers.get("sec-fetch-site", "none")
    return name.lower() in _HOSTS and "origin" not in headers and site == "none"


def _parted(scope: Scope) -> tuple[Scope, str]:
    """Take the key out of a path that begins with it."""
    path = scope["path"]
    if not path.startswith(_KEY_PATH):
        return scope, ""
    key, slash, rest = path.removeprefix(_KEY_PATH).partition("/")
    return {**scope, "path": slash + rest, "raw_path": quote(slash + rest).encode()}, unquote(key)
