"""Language servers as processes, without the seconds that a fresh one takes to import its
protocol."""

from contextlib import AbstractAsyncContextManager

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.llama.model import build
from budgetai_server.cli import demo_editor
from budgetai_server.cli.demo_editor import Editor
from budgetai_server.inference.local import default_threads
from budgetai_server.inference.profile import SpeedProfile, keep_speed, speed_key
from budgetai_server.options import ServerOptions
from support import forked


def command(*arguments: object) -> list[str]:
    """Return what starts a server with these arguments."""
    libraries = forked.SERVER_LIBRARIES
    return forked.command("-m", "budgetai_server", *arguments, libraries=libraries)


def started(*arguments: str) -> AbstractAsyncContextManager[Editor]:
    """Start an editor with its own server process, shut down at the end."""
    return demo_editor.started(*arguments, server=command())


def keep_speeds() -> None:
    """Keep, as if a server had measured it, that this machine is a usual one."""
    base = resolve(EMBEDDED).path
    assert base is not None
    options = ServerOptions()
    keep_speed(speed_key(base, default_threads(), options.gpu_layers, build()), SpeedProfile())
