"""The fork server that stands in for fresh interpreters runs processes like any other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import forked


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("pass", (0, "", "")),
        ("import sys; print(sys.argv); sys.exit(3)", (3, "['-c', 'a', 'b']\n", "")),
        ("import sys; sys.exit('no')", (1, "", "no\n")),
        ("import sys; sys.exit(True)", (1, "", "")),
        ("import atexit; atexit.register(print, 'last'); print('first')", (0, "first\nlast\n", "")),
        ("import os; os._exit(7)", (7, "", "")),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", (-signal.SIGTERM, "", "")),
        ("import os; print(os.read(0, 1))", (0, "b''\n", "")),
    ],
)
def test_output_and_exit_code(code: str, told: tuple[int, str, str]) -> None:
    done = forked.run("-c", code, "a", "b", libraries=())
    assert (done.returncode, done.stdout, done.stderr) == told


def test_an_uncaught_exception_is_printed() -> None:
    done = forked.run("-c", "{}['key']", libraries=())
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback ") and done.stderr.endswith("KeyError: 'key'\n")


def test_threads_are_joined() -> None:
    code = "import threading; threading.Timer(0.1, print, (1,)).start()"
    assert forked.run("-c", code, libraries=()).stdout == "1\n"


def test_environment_folder_and_limits(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; print(dict(os.environ), os.getcwd(), flush=True);"
        "pathlib.Path('file').write_bytes(bytes(10_001))"
    )
    env = {"NAME": "value"}
    done = forked.run("-c", code, libraries=(), env=env, cwd=tmp_path, file_limit=10_000)
    assert done.stdout == f"{env} {tmp_path}\n"
    assert "File too large" in done.stderr
    assert (tmp_path / "file").stat().st_size == 10_000


def test_libraries_are_there_and_modules_run() -> None:
    code = "import sys; print('fractions' in sys.modules)"
    assert forked.run("-c", code, libraries=("fractions",)).stdout == "True\n"
    assert forked.run("-m", "calendar", "2024", "2", libraries=()).stdout.startswith("   February")


def test_signals_arrive_and_nothing_is_left(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    asleep = forked.start("-c", code, libraries=())
    while not started.exists():
        time.sleep(0.01)
    assert asleep.poll() is None
    asleep.send_signal(signal.SIGINT)
    assert asleep.wait(30) == asleep.poll() == -signal.SIGINT
    forgotten = forked.start("-c", code, libraries=())
    pid = forgotten.pid
    assert pid != os.getpid()
    del forgotten
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            time.sleep(0.01)


def test_two_at_once() -> None:
    code = "import sys; print(sys.stdin.read())"
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source:
        waiting = forked.start("-c", code, stdin=source, libraries=())
    assert forked.run("-c", "print(2)", libraries=()).stdout == "2\n"
    assert waiting.poll() is None
    os.close(writer)
    assert waiting.wait(30) == 0


def test_what_cannot_start_is_said() -> None:
    with pytest.raises(AssertionError, match="does not start"):
        forked.run("-c", "pass", libraries=("no_such_library",))


def test_ours_are_imported_where_the_tests_have_them_from() -> None:
    code = "import budgetai_core; print(budgetai_core.__file__)"
    import budgetai_core

    assert forked.run("-c", code, libraries=()).stdout.strip() == budgetai_core.__file__
    assert forked.run("-c", "import sys; print(sys.executable)", libraries=()).stdout.strip() == (
        sys.executable
    )


def test_a_command_line_stands_for_a_fork(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.argv, os.getcwd(), os.environ['NAME'], sys.stdin.read())"
    done = subprocess.run(
        forked.command("-c", code, "a", libraries=()),
        cwd=tmp_path, env={"NAME": "value"}, input="given", capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"['-c', 'a'] {tmp_path} value given\n"
    assert (done.returncode, done.stderr) == (0, "")
    for code, ended in (("raise SystemExit(3)", 3), ("import os; os.abort()", -signal.SIGABRT)):
        assert subprocess.run(forked.command("-c", code, libraries=())).returncode == ended
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5));"
        "print('ready', flush=True); time.sleep(60)"
    )
    command = forked.command("-c", code, libraries=())
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as told:
        assert told.stdout and told.stdout.readline() == b"ready\n"
        told.terminate()
        assert told.stdout.read() == b""
        assert told.wait(30) == 5
