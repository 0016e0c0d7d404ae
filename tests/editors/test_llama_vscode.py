"""llama.vscode, unmodified, in a real VS Code with the gateway.

BUDGETAI_PLUGINS names a folder with a checkout of it, in which `npm install --ignore-scripts` has
run; its package is made here. BUDGETAI_PLUGINS_MODEL names a model other than the embedded one.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors.neovim import EDITORS
from editors.server import running_gateway
from editors.vscode import EXTENSION, VSCode
from editors.waiting import content, until

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900)]

MODEL = os.environ.get("BUDGETAI_PLUGINS_MODEL") or str(resolve(EMBEDDED).path)
# The extension wakes up in plain text, JavaScript and TypeScript only.
SOURCE = "function add(a, b) {\n  return a + b;\n}\n\nfunction sub(a, b) {\n  "
# It would install llama.cpp and look for ripgrep, which this build lacks.
QUIET = {"llama-vscode.ask_install_llamacpp": False, "llama-vscode.rag_max_files": 0}
# A prompt of a few hundred tokens takes a larger model ten seconds on a slow processor.
PATIENT = ("--min-confidence", "0", "--latency-ms", "60000")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = Path(os.environ.get("BUDGETAI_PLUGINS", "")) / "llama.vscode"
    if not (checkout / "node_modules").is_dir():
        pytest.skip("BUDGETAI_PLUGINS names no folder with a checkout of llama.vscode")
    made = tmp_path_factory.mktemp("package") / "llama.vsix"
    node = EDITORS / "node/bin"
    vsce = str(EXTENSION / "node_modules/.bin/vsce")
    packer = [vsce, "package", "--no-dependencies", "--out", str(made)]
    env = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(packer, cwd=checkout, env=env, check=True, capture_output=True, timeout=300)
    return made


@pytest.fixture(scope="module")
def vscode(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[VSCode]:
    folder = tmp_path_factory.mktemp("vscode")
    flags = ("--model", MODEL, *PATIENT)
    with running_gateway(tmp_path_factory.mktemp("gateway"), *flags) as (address, key):
        settings = {"llama-vscode.endpoint": address, "llama-vscode.api_key": key} | QUIET
        editor = VSCode(folder, settings, package=package)
        yield editor
        editor.close()


def opened(vscode: VSCode, name: str, text: str) -> Path:
    path = vscode.workspace / name
    path.write_text(text)
    vscode.show(path)
    # Its first start shows a page of its own in front.
    until(lambda: vscode.do("shown", words="Information"), "page of the first start")
    vscode.do("click", words=name)
    # The list of files has the keyboard after that.
    vscode.do("click", words="sub")
    vscode.do("press", key="Control+End")
    return path


def shown(vscode: VSCode) -> str:
    return until(lambda: str(vscode.do("grey")[0]), "grey text", patience=300)


def test_typed_shown_accepted_and_saved(vscode: VSCode, tmp_path: Path) -> None:
    path = opened(vscode, "shop.js", SOURCE)
    vscode.type("re")
    try:
        text = shown(vscode)
    except AssertionError:
        vscode.shot(tmp_path / "failed.png")
        raise
    assert text.startswith("turn a ")
    vscode.press("accept")
    until(lambda: vscode.do("grey")[0] != text, "accepted text")
    vscode.press("save")
    assert content(path).decode() == f"{SOURCE}re{text}"
