"""From measured speed to what is shown and said."""

import json
from pathlib import Path

import psutil
import pytest

from budgetai_core.context.window import WindowLimits
from budgetai_core.llama.model import build
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.inference import profile
from budgetai_server.inference.profile import (
    MAX_PROMPT_TOKENS,
    SpeedProfile,
    TokenBudget,
    token_budget,
)
from budgetai_server.loader import open_file
from budgetai_server.options import ServerOptions
from support import tiny

SLOW = SpeedProfile(30.0, (0.2, 0.35, 0.5, 0.57, 0.8, 0.86, 1.3))
LAPTOP = SpeedProfile()
FAST = SpeedProfile(20_000.0, (0.003, 0.003, 0.003, 0.003, 0.004, 0.004, 0.005))


def test_a_faster_machine_sees_and_says_more() -> None:
    slow, laptop, fast = (token_budget(speed, 0.3) for speed in (SLOW, LAPTOP, FAST))
    assert slow.prompt <= laptop.prompt < fast.prompt == MAX_PROMPT_TOKENS
    assert slow.line < laptop.line < fast.line
    assert slow.block == 0 < fast.block
    assert fast.limits == WindowLimits()
    assert laptop.limits.before < WindowLimits().before
    assert 0 < laptop.limits.chunks < WindowLimits().chunks
    assert slow.limits.chunks == 0


@pytest.mark.parametrize("tokens", [256, 400, 700, 1000, MAX_PROMPT_TOKENS - 1, MAX_PROMPT_TOKENS])
def test_the_parts_of_a_prompt_make_up_its_length(tokens: int) -> None:
    limits = TokenBudget(tokens, 16, 0).limits
    characters = limits.before + limits.after + limits.chunks
    assert abs(characters - 3.2 * tokens) < 4


def test_a_longer_wait_buys_more_context() -> None:
    assert token_budget(LAPTOP, 0.6).prompt > token_budget(LAPTOP, 0.2).prompt


def test_costs_between_measured_sizes() -> None:
    speed = SpeedProfile(100.0, (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0))
    sizes = (1, 2, 3, 4, 5, 8, 9, 16, 32)
    assert [speed.cost(size) for size in sizes] == [1, 2, 3, 4, 6, 8, 12, 16, 32]


def test_the_least_of_several_times_counts() -> None:
    calls: list[tuple[int, int]] = []

    def run(position: int, count: int) -> float:
        calls.append((position, count))
        return 9.0 if len(calls) % 3 else count / 100

    speed = SpeedProfile.of(run, 64)
    assert calls[0] == (0, 64)
    assert speed.batches == (0.01, 0.02, 0.04, 0.05, 0.08, 0.09, 0.16)


@pytest.mark.parametrize(
    "kept",
    [
        "{",
        "[]",
        '{"KEY": 7}',
        '{"KEY": {"prefill": 0, "batches": [1, 1, 1, 1, 1, 1, 1]}}',
        '{"KEY": {"prefill": 9, "batches": [1, 1]}}',
        '{"KEY": {"prefill": NaN, "batches": [1, 1, 1, 1, 1, 1, 1]}}',
        '{"KEY": {"prefill": 9, "batches": [1, 1, "x", 1, 1, 1, 1]}}',
    ],
)
def test_broken_kept_speeds_are_measured_again(
    own_home: Path, tmp_path: Path, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 10.0)
    gguf = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf")
    options = ServerOptions(threads=1)
    key = profile.speed_key(gguf, 1, options.gpu_layers, build())
    own_home.mkdir(parents=True)
    (own_home / "speeds.json").write_text(kept.replace("KEY", key))
    opened = open_file(gguf, options)
    opened.engine.close()
    written = json.loads((own_home / "speeds.json").read_text())[key]
    assert SpeedProfile(written["prefill"], tuple(written["batches"])).decode > 0
    # The second start measures nothing.
    (own_home / "speeds.json").write_text(
        json.dumps({key: {"prefill": 123.0, "batches": [0.01, 0.01, 0.02, 0.02, 0.03, 0.03, 0.05]}})
    )
    again = open_file(gguf, options)
    assert "reads 123 and writes 100 tokens a second" in again.words
    again.engine.close()


def test_a_speed_that_other_work_has_slowed_down_is_not_kept(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf")
    for busy, kept in ((90.0, False), (10.0, True)):
        monkeypatch.setattr(psutil, "cpu_percent", lambda interval, busy=busy: busy)
        opened = open_file(gguf, ServerOptions(threads=1))
        opened.engine.close()
        assert "tokens a second" in opened.words
        assert (own_home / "speeds.json").is_file() is kept


def test_the_options_are_the_policy(tmp_path: Path) -> None:
    gguf = tiny.make_gguf(tiny.make_llama(tmp_path / "m"), tmp_path / "m.gguf")
    opened = open_file(gguf, ServerOptions(threads=1, min_confidence=0.7, answer_tokens=30))
    opened.engine.close()
    assert (opened.policy.min_confidence, opened.policy.line) == (0.7, 30)
    assert opened.policy.block_seconds == CompletionPolicy().block_seconds
