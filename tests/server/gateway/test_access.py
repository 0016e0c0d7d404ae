"""Who may ask, and bad input: a clear answer each time, and completions go on."""

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.errors import OptionError
from budgetai_server.gateway import access, app, cli, server
from support.gateway import KEY, SAID, Running, Scripted, running, wait_for

BODY = {"prompt": "def total(items):\n    return ", "suffix": "\n"}


@pytest.fixture(autouse=True)
def it_goes_on(gateway: Running) -> Iterator[None]:
    """Whatever a test has sent, the next request is answered."""
    yield
    gateway.engine.text, gateway.engine.seconds = SAID, 0.0
    answer = gateway.ask("/v1/completions", BODY)
    assert answer.body["choices"][0]["text"] == "sum(items)"


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": None}, {"Authorization": "Bearer other"}, {"Authorization": KEY}],
)
def test_without_the_key_nothing_is_said(gateway: Running, headers: Any) -> None:
    for path, body in (("/v1/completions", BODY), ("/v1/models", None), ("/none", None)):
        answer = gateway.ask(path, body, **headers)
        assert answer.status == 401
        assert "key" in answer.body["error"]["message"]
    assert gateway.ask("/health", **headers).status == 200


def test_the_key_may_stand_in_a_header_or_in_the_path(gateway: Running) -> None:
    """Some plugins can send no header."""
    given = gateway.ask("/v1/models", Authorization=None, X_Api_Key=KEY)
    in_path = gateway.ask(f"/key/{KEY}/v1/models", Authorization=None)
    assert given.status == in_path.status == 200
    completed = gateway.ask(f"/key/{KEY}/v1/completions", BODY, Authorization=None)
    assert completed.body["choices"][0]["text"] == "sum(items)"
    assert gateway.ask("/key/other/v1/models", Authorization=None).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8012"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "example.com:8012"},
        {"Host": ""},
    ],
)
def test_pages_are_refused_even_with_the_key(gateway: Running, headers: Any) -> None:
    assert gateway.ask("/v1/completions", BODY, **headers).status == 403
    assert gateway.ask("/v1/models", **headers).status == 403
    assert gateway.ask("/v1/completions", BODY, method="OPTIONS", **headers).status == 403


@pytest.mark.parametrize("host", ["localhost:1", "[::1]:8012", "LOCALHOST"])
def test_names_of_the_loopback_are_taken(gateway: Running, host: str) -> None:
    assert gateway.ask("/v1/models", Host=host).status == 200


def test_fifty_megabytes_are_refused_and_the_client_reads_that(gateway: Running) -> None:
    answer = gateway.ask("/infill", b'{"prompt":"' + b"x" * 50_000_000 + b'"}')
    assert answer.status == 413
    assert str(app.MAX_BODY_BYTES) in answer.body["error"]["message"]


def test_a_client_that_asks_first_need_not_send_them(gateway: Running) -> None:
    lines = [
        "POST /infill HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}",
        "Content-Length: 50000000", "Expect: 100-continue",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_other_paths_and_methods(gateway: Running) -> None:
    assert gateway.ask("/v1/chat/completions", BODY).status == 404
    assert gateway.ask("/infill").status == 405
    assert gateway.ask("/api/chat", {}).body == {"error": "the gateway has no such path"}


def test_the_key_is_asked_for_in_the_words_of_ollama(gateway: Running) -> None:
    """cmp-ai puts the error into a message: where it is no text, that fails at each key."""
    answer = gateway.ask("/key/other/api/generate", {"prompt": "x"}, Authorization=None)
    assert answer.status == 401
    assert "key" in answer.body["error"]


def test_generating_stops_when_the_client_hangs_up(gateway: Running) -> None:
    gateway.engine.text, gateway.engine.seconds = "sum(items, start=0)\n" * 9, 0.2
    stopped, asked = gateway.engine.stopped, len(gateway.engine.prompts)
    body = b'{"prompt":"# hung up\\nx = ","suffix":"\\n"}'
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        wait_for(lambda: len(gateway.engine.prompts) > asked)
    wait_for(lambda: gateway.engine.stopped > stopped)


def test_a_request_that_is_overtaken_is_answered_at_once(gateway: Running) -> None:
    """With an empty text, while the newer one is being generated."""
    gateway.engine.text, gateway.engine.seconds = "sum(items, start=0)\n", 0.1
    head = "# a document that can be known again\ndef total(items):\n    return "
    order: list[str] = []
    texts: dict[str, str] = {}

    def ask(name: str, more: str) -> None:
        answer = gateway.ask("/v1/completions", {"prompt": head + more, "suffix": "\n"})
        texts[name] = answer.body["choices"][0]["text"]
        order.append(name)

    asked = len(gateway.engine.prompts)
    older = threading.Thread(target=ask, args=("older", ""))
    older.start()
    wait_for(lambda: len(gateway.engine.prompts) > asked)
    ask("newer", "max(")
    older.join()
    assert order == ["older", "newer"]
    assert texts["older"] == ""
    assert texts["newer"]


def test_more_connections_than_there_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next is told so, and when they are gone it goes on."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 20)
    with running(Scripted(SAID), tmp_path) as gateway:
        idle = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(25)]
        wait_for(lambda: gateway.ask("/v1/models").status == 503)
        for connection in idle:
            connection.close()
        wait_for(lambda: gateway.ask("/v1/models").status == 200)


def test_a_thousand_connections(gateway: Running) -> None:
    """They are held, or told that there are too many; when they are gone it goes on."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    many: list[socket.socket] = []
    try:
        for _ in range(1000):
            many.append(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
        wait_for(lambda: gateway.ask("/v1/models").status == 503)
    finally:
        for connection in many:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_for(lambda: gateway.ask("/v1/models").status == 200)


def test_a_connection_that_says_nothing_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_MAX_SILENT_SECONDS", 0.2)
    with (
        running(Scripted(SAID), tmp_path) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection,
    ):
        assert connection.recv(1) == b""


def test_nothing_that_is_asked_or_answered_is_logged(
    gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.engine.text = "canary_of_an_answer()\n"
    body = {"prompt": "# canary_of_a_prompt, long enough\nx = ", "suffix": "\n"}
    headers = {"X_Budgetai_File": "/canary_of_a_name.py"}
    assert "canary_of_an_answer" in gateway.ask("/v1/completions", body, **headers).text
    gateway.ask("/v1/completions", b'{"prompt": canary_of_a_prompt')
    assert "canary" not in caplog.text


def test_a_port_in_use_is_one_line(gateway: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--port", str(gateway.port)]) == 2
    told = capsys.readouterr().err
    assert "a gateway runs there already" in told
    assert str(gateway.port) in told
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        assert cli.main(["--port", str(other.getsockname()[1])]) == 2
    assert "another program uses it" in capsys.readouterr().err


def test_a_repository_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--port", "0", "--repo", str(tmp_path / "none")]) == 2
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cli.main(["--port", "0", "--repo", str(tmp_path)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert "is not a folder" in told[0]
    assert "holds your home folder" in told[1]


def test_the_key_is_made_once_and_is_the_users_alone(own_home: Path) -> None:
    key, file = access.own_key(None)
    assert len(key) > 20
    assert file.parent == own_home
    assert file.stat().st_mode & 0o077 == 0
    assert access.own_key(None) == (key, file)
    file.chmod(0o644)
    with pytest.raises(OptionError, match="others can read"):
        access.own_key(None)
