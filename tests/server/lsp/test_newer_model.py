"""A model that is made while an editor is open is served without a new start."""

import asyncio
import time
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout
from budgetai_server.cli.demo_editor import Editor, position_after
from support import serving, tiny

pytestmark = pytest.mark.asyncio

TEXT = "def first(path):\n    return path\n\n\ndef second(path):\n    "


def put(root: Path, name: str, data: bytes) -> None:
    path = layout.repository_folder(root) / "models" / f"{name}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    # In one step, as a promotion does.
    path.with_suffix(".tmp").write_bytes(data)
    path.with_suffix(".tmp").replace(path)


async def typed_until(editor: Editor, uri: str, words: str) -> None:
    """Ask at a place again and again until the server has said these words; it answers each time,
    or `inline` would raise."""
    until = time.monotonic() + 120
    while not any(words in message for message in editor.messages):
        assert time.monotonic() < until, editor.messages
        await editor.inline(uri, position_after(TEXT))
        await asyncio.sleep(0.2)


async def test_it_is_taken_up_while_requests_are_answered(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "a.py").write_text(TEXT)
    data = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf").read_bytes()
    put(root, "20250101-000000-F16", data)
    async with serving.started() as editor:
        await editor.open_workspace(root)
        await editor.told("serves 20250101-000000-F16.gguf")
        uri = (root / "a.py").as_uri()
        editor.open(uri, TEXT)
        await editor.inline(uri, position_after(TEXT))
        put(root, "20250103-000000-F16", data)
        await typed_until(editor, uri, "serves 20250103-000000-F16.gguf")
        status = await editor.protocol.send_request_async("budgetai/status", None)
        assert status.model == "20250103-000000-F16.gguf"
        # The document is known to it, as it is now.
        await editor.inline(uri, position_after(TEXT))
