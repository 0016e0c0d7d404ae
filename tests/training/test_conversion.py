"""--convert: from a repository to a model that the server finds, in one command."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.errors import OptionError
from budgetai_training import conversion
from budgetai_training.options import TrainOptions
from budgetai_training.report import report_files

CONVERTER = """
import pathlib, sys, time
print("converting")
pathlib.Path({begun!r}).touch()
try:
    time.sleep({seconds})
except KeyboardInterrupt:
    sys.exit(130)
sys.exit({code})
"""


def test_it_goes_on_to_a_model(
    trained: Callable[..., dict[str, Any]], repo: Path, llama: Path
) -> None:
    told = trained(
        "--repo", repo, "--base", llama, "--max-steps", 2, "--evaluate", "none", "--convert"
    )
    model = layout.newest_model(repo)
    assert model and Path(told["conversion"]["model"]) == model
    assert told["conversion"]["checks"]["kld_f16"] < 0.01
    adapter = Path(told["adapter"])
    assert report_files.read(adapter).model == str(model)
    assert str(model) in (adapter / report_files.PAGE).read_text(encoding="utf-8")


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Another converter in its place, that ends as it is told to; the file that says it began."""

    def put(seconds: float = 0, code: int = 0) -> Path:
        begun = tmp_path / "begun"
        text = CONVERTER.format(begun=str(begun), seconds=seconds, code=code)
        (tmp_path / "other_converter.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(conversion, "_CONVERTER", "other_converter")
        return begun

    return put


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_converter_and_not_the_adapter(
    number: signal.Signals, converter: Callable[..., Path], tmp_path: Path
) -> None:
    """The signal reaches this process alone, as from an editor."""
    _interrupted_by(number, converter, tmp_path)


def _send_once_there(begun: Path, number: signal.Signals) -> threading.Thread:
    """Send this process a signal, once there is a file."""

    def send() -> None:
        while not begun.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def _interrupted_by(number: signal.Signals, converter: Callable[..., Path], tmp_path: Path) -> None:
    begun, adapter = converter(seconds=60), tmp_path / "adapter"
    adapter.mkdir()
    before = signal.getsignal(number)
    _send_once_there(begun, number)
    made = conversion.convert(adapter, tmp_path, as_json=False)
    assert (made.code, made.model) == (130, None)
    assert adapter.is_dir()
    assert signal.getsignal(number) == before


@pytest.fixture
def ignored() -> Iterator[Callable[[signal.Signals], None]]:
    """Ignore signals, as what runs under nohup or in a script's background does."""
    before: dict[signal.Signals, Any] = {}

    def ignore(number: signal.Signals) -> None:
        before[number] = signal.signal(number, signal.SIG_IGN)

    yield ignore
    for number, handler in before.items():
        signal.signal(number, handler)


def test_in_the_background_of_a_script_it_can_be_ended(
    converter: Callable[..., Path], ignored: Callable[[signal.Signals], None], tmp_path: Path
) -> None:
    """There SIGINT is ignored, which a process that is started inherits."""
    ignored(signal.SIGINT)
    _interrupted_by(signal.SIGTERM, converter, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_is_ignored_ends_nothing(
    number: signal.Signals,
    converter: Callable[..., Path],
    ignored: Callable[[signal.Signals], None],
    tmp_path: Path,
) -> None:
    ignored(number)
    begun, adapter = converter(seconds=1), tmp_path / "adapter"
    adapter.mkdir()
    sender = _send_once_there(begun, number)
    assert conversion.convert(adapter, tmp_path, as_json=False).code == 0
    sender.join()
    assert signal.getsignal(number) is signal.SIG_IGN


def test_a_conversion_that_fails_leaves_the_adapter_and_says_how_to_go_on(
    converter: Callable[..., Path],
    repo: Path,
    llama: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from budgetai_training.cli import main

    converter(code=2)
    out = tmp_path / "adapter"
    arguments = ["--repo", repo, "--base", llama, "--max-steps", 1, "--evaluate", "none",
                 "--out", out, "--convert"]  # fmt: skip
    assert main([*map(str, arguments)]) == 2
    assert (out / MANIFEST).exists()
    printed = capsys.readouterr()
    assert f"budgetai-convert {out}" in printed.err
    assert "adapter  " in printed.out and "next  " not in printed.out


@pytest.mark.parametrize(
    "given", [{"method": "full"}, {"method": "prefix"}, {"compare": "lora,full"}]
)
def test_what_cannot_be_converted_is_refused_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--convert goes on with one adapter"):
        TrainOptions(convert=True, **given)


def test_no_converter_is_said_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from budgetai_training.cli import main

    monkeypatch.setattr(conversion, "_NEEDED", ("no_such_library",))
    assert main(["--repo", str(repo), "--convert"]) == 2
    assert "--convert needs no_such_library. Install the extra" in capsys.readouterr().err
