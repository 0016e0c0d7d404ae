"""The compose file for a team: what the page sets is what it asks for; Compose reads it; and its
commands, run here without containers, answer a developer's server through TLS.

No daemon is needed. BUDGETAI_COMPOSE names the program docker-compose (or Docker's plugin),
BUDGETAI_CADDY caddy, and BUDGETAI_LLAMA_SERVER llama-server; Debian has packages of all three.
"""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context.prompt import Prompt
from budgetai_core.errors import ModelError
from budgetai_server.inference.engine import Usage
from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.remote_engine import RemoteEngine
from editors.waiting import until
from support.bundles import entry, make_bundle, make_lora

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/team-server.md"
FILE = ROOT / "docs/team-server/compose.yaml"
TOKEN = "only-for-this-test"
SET = {"TEAM_HOST": "localhost", "MODELS": "/srv/models", "TEAM_TOKEN": TOKEN, "IMAGE": "an/image"}
MODEL_PORT, TLS_PORT = "8000", "8443"
# Where Caddy's image keeps its data, which the page names.
CADDY_DATA = "/data"
PLACE = Prompt("shop", "till.py", (), "\n", "class Till:\n    def total(self, basket):\n        ")


def program(variable: str) -> str:
    name = os.environ.get(variable)
    if not name:
        pytest.skip(f"{variable} names no program")
    return name


def composed(profile: str, variables: dict[str, str] = SET) -> "subprocess.CompletedProcess[str]":
    """What Compose makes of the file, as JSON."""
    command = [program("BUDGETAI_COMPOSE"), "-f", str(FILE), "--profile", profile]
    kept = {key: value for key, value in os.environ.items() if key not in SET}
    return subprocess.run(
        [*command, "config", "--format", "json"],
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def services(profile: str) -> dict[str, Any]:
    done = composed(profile)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def test_the_page_sets_what_the_file_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
    (exported,) = re.findall(r"^export (.*)$", PAGE.read_text(), re.MULTILINE)
    assert set(re.findall(r"(\w+)=", exported)) == asked == set(SET)
    profiles = {name for service in yaml.safe_load(FILE.read_text())["services"].values()
                for name in service.get("profiles", ())}  # fmt: skip
    assert profiles == set(re.findall(r"--profile ([\w-]+)", PAGE.read_text()))


@pytest.mark.big
@pytest.mark.parametrize("profile", ["vllm", "llama-server"])
def test_compose_reads_it(profile: str) -> None:
    there = services(profile)
    assert set(there) == {profile, "tls"}
    assert there[profile]["networks"] == {"inside": {"aliases": ["model"]}}
    assert "ports" not in there[profile]
    assert TOKEN in there[profile]["environment"].values()
    assert there[profile]["volumes"][0]["read_only"] is True
    without = composed(profile, {key: SET[key] for key in SET if key != "TEAM_TOKEN"})
    assert without.returncode != 0
    assert "make a token" in without.stderr


def here(command: list[str], folder: Path, model_port: int, tls_port: int) -> list[str]:
    """A command of a service with this machine's folder and ports."""
    words = " ".join(command).replace("/models/", f"{folder}/").replace("0.0.0.0", "127.0.0.1")
    words = words.replace(f"model:{MODEL_PORT}", f"127.0.0.1:{model_port}")
    return words.replace(MODEL_PORT, str(model_port)).replace(TLS_PORT, str(tls_port)).split()


@contextmanager
def running(command: list[str], log: Path, ready: str, **env: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        until(lambda: ready in log.read_text() or process.poll() is not None, ready, 300)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


def free_ports() -> list[int]:
    with socket.socket() as first, socket.socket() as second:
        ports = []
        for free in (first, second):
            free.bind(("127.0.0.1", 0))
            ports.append(int(free.getsockname()[1]))
    return ports


@pytest.mark.big
@pytest.mark.timeout(900)
def test_developers_ask_for_their_adapters_through_tls(tmp_path: Path) -> None:
    there = services("llama-server")
    caddy, llama = program("BUDGETAI_CADDY"), program("BUDGETAI_LLAMA_SERVER")
    base = resolve(EMBEDDED).path
    assert base
    folder = make_bundle(tmp_path / "models", base, [entry("shop"), entry("till")])
    for seed, name in enumerate(("shop", "till"), start=1):
        make_lora(base, folder / f"{name}.gguf", seed=seed, spread=0.1)
    model_port, tls_port = free_ports()
    serve = here(there["llama-server"]["command"], folder, model_port, tls_port)
    _, *proxy = here(there["tls"]["command"], folder, model_port, tls_port)
    # It would put its authority into the system's list with programs that it looks for there.
    alone = {"PATH": "", "XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    with (
        running([llama, *serve], tmp_path / "llama", "listening", LLAMA_API_KEY=TOKEN),
        running([caddy, *proxy], tmp_path / "caddy", "caddy proxying", **alone),
    ):
        (path,) = re.findall(rf"tls:{CADDY_DATA}/(\S+)", PAGE.read_text())
        authority = tmp_path / "data" / path
        until(authority.is_file, "authority")

        def said(name: str, token: str = TOKEN) -> str:
            address = f"https://localhost:{tls_port}"
            engine = RemoteEngine(
                Endpoint(url=address, token=token, model=name, timeout=120, ca_file=authority)
            )
            try:
                pieces = engine.generate(PLACE, 12, lambda: False, Usage())
                return "".join(piece.text for piece in pieces)
            finally:
                engine.close()

        assert len({said("shop"), said("till"), said("none")}) == 3
        with pytest.raises(ModelError, match="shop"):
            said("another")
        with pytest.raises(ModelError, match="token"):
            said("shop", token="another")
