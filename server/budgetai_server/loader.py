"""From options to an engine that is ready: loaded or connected, and with a plan for its answers."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from budgetai_core.artifacts.bundle import NO_ADAPTER, Bundle
from budgetai_core.errors import ModelError
from budgetai_core.llama.model import build
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.inference.adapter_registry import AdapterRegistry
from budgetai_server.inference.engine import Engine
from budgetai_server.inference.local import LocalEngine
from budgetai_server.inference.profile import (
    SpeedProfile,
    TokenBudget,
    keep_speed,
    kept_speed,
    speed_key,
    token_budget,
)
from budgetai_server.options import ServerOptions

# How long the processors are watched, and the share of them that other work may take while the
# model's speed is measured.
_LOOK_SECONDS, _BUSY_PERCENT = 0.2, 25.0
# Tokens that typing may add before the prompt is cut anew.
_KEYSTROKE_TOKENS = 64


@dataclass(frozen=True)
class Opened:
    """An engine, the policy for its completions, and in words what was found and chosen; with a
    bundle its adapters too."""

    engine: Engine
    policy: CompletionPolicy
    words: str
    adapters: AdapterRegistry | None = None

    def __str__(self) -> str:
        """Return what is served, how, and what of it could not be used."""
        token_budget = f"{self.engine.name}: {self.words}"
        if self.adapters is None:
            return token_budget
        return ". ".join([f"{token_budget}; {self.adapters}", *self.adapters.refused])

    def engine_for(self, task: str, language: str, repository: str) -> Engine:
        """Return the engine with the adapter that fits best, if there are any. May be called from
        any thread."""
        if self.adapters is None:
            return self.engine
        return self.adapters.engine_for(task, language, repository)


def open_model(path: Path, options: ServerOptions) -> Opened:
    """Open what the option `model` may name: a GGUF file, or the folder of a bundle, with all of
    its adapters. Raises ModelError as `open_file` does, and if the bundle is broken."""
    if not path.is_dir():
        if options.adapter not in ("", NO_ADAPTER):
            raise ModelError(f"{path} has no adapter {options.adapter}", "Name a bundle's folder")
        return open_file(path, options)
    bundle = Bundle.read(path)
    opened = open_file(bundle.base, options)
    assert isinstance(opened.engine, LocalEngine)
    try:
        adapters = AdapterRegistry(
            opened.engine, bundle, only=options.adapter, scale=options.adapter_scale
        )
    except ModelError:
        opened.engine.close()
        raise
    return replace(opened, adapters=adapters)


def open_file(path: Path, options: ServerOptions) -> Opened:
    """Load a model, and plan by its measured speed. Raises ModelError if the file is not a model,
    or a broken one."""
    engine = LocalEngine(
        path,
        context_tokens=options.context_tokens,
        sequences=options.sequences,
        threads=options.threads,
        gpu_layers=options.gpu_layers,
        speculate=options.speculate,
    )
    engine.speed = speed = _speed(engine, options)
    chosen = _chosen(token_budget(speed, options.latency_ms / 1000), options)
    engine.limits = chosen.limits
    policy = _policy(chosen, options)
    engine.reserve = policy.stop.max_tokens + _KEYSTROKE_TOKENS
    words = f"reads {speed.prefill:.0f} and writes {speed.decode:.0f} tokens a second; {chosen}"
    return Opened(engine, policy, words)


def open_endpoint(options: ServerOptions) -> Opened:
    """Connect to the server the user names. One that is down may come back, so that is not an
    error: the engine's state says so. Raises OptionError where the settings are unsafe."""
    from budgetai_server.inference.remote.endpoint import Endpoint, read_token
    from budgetai_server.inference.remote.remote_engine import RemoteEngine

    chosen = _chosen(TokenBudget.full(), options)
    endpoint = Endpoint(
        url=options.endpoint,
        model=options.endpoint_model,
        token=read_token(options.token_file),
        timeout=options.endpoint_timeout,
        ca_file=options.ca_file,
        limits=chosen.limits,
    )
    engine = RemoteEngine(endpoint)
    with suppress(ModelError):
        engine.connect()
    words = str(chosen) if endpoint.private else f"{chosen}; prompts travel unencrypted"
    return Opened(engine, _policy(chosen, options), words)


def _speed(engine: LocalEngine, options: ServerOptions) -> SpeedProfile:
    """Return what was measured at an earlier start on this machine, or is measured now. What other
    work has slowed down counts for this start only."""
    key = speed_key(engine.path, engine.threads, options.gpu_layers, build())
    if kept := kept_speed(key):
        return kept
    busy = psutil.cpu_percent(_LOOK_SECONDS) > _BUSY_PERCENT
    measured = engine.measure()
    if not busy:
        keep_speed(key, measured)
    return measured


def _chosen(measured: TokenBudget, options: ServerOptions) -> TokenBudget:
    """Put what the user has set before what was measured."""
    block = {"auto": measured.block, "on": measured.block or measured.line, "off": 0}
    return replace(
        measured,
        prompt=options.prompt_tokens or measured.prompt,
        line=options.answer_tokens or measured.line,
        block=block[options.multiline] and (options.answer_tokens or block[options.multiline]),
    )


def _policy(chosen: TokenBudget, options: ServerOptions) -> CompletionPolicy:
    return CompletionPolicy(
        line=chosen.line, block=chosen.block, min_confidence=options.min_confidence
    )
