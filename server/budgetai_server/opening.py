"""From options to an engine that is ready: loaded, measured, and with a plan for its answers."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from budgetai_server.artefacts import speeds
from budgetai_server.completion import Rules
from budgetai_server.inference.engine import Engine
from budgetai_server.inference.local import LocalEngine
from budgetai_server.inference.speed import Plan, Speed, plan
from budgetai_server.options import ServerOptions

Measure = Callable[[], Speed]


def open_engine(path: Path, options: ServerOptions) -> tuple[Engine, Rules, str]:
    """Load a model. Returns it with the rules for its answers, and what was chosen in words.

    Raises ModelError if the file is no model, or a broken one.
    """
    engine = LocalEngine(
        path,
        context_tokens=options.context_tokens,
        sequences=options.sequences,
        threads=options.threads,
        gpu_layers=options.gpu_layers,
        speculate=options.speculate,
    )
    engine.speed = speed = _speed(engine)
    chosen = _chosen(plan(speed, options.latency_ms / 1000), options)
    engine.limits = chosen.limits
    words = f"reads {speed.prefill:.0f} and writes {speed.decode:.0f} tokens a second; {chosen}"
    return engine, rules(chosen, options), words


def _speed(engine: LocalEngine) -> Speed:
    """What was measured at an earlier start on this machine, or is measured now."""
    key = speeds.key(engine.path, engine.threads)
    kept = speeds.find(key)
    try:
        if kept:
            return Speed(float(kept["prefill"]), tuple(map(float, kept["batches"])))
    except (KeyError, TypeError, ValueError):
        pass
    measured = engine.measure()
    speeds.keep(key, asdict(measured))
    return measured


def _chosen(measured: Plan, options: ServerOptions) -> Plan:
    """What the user has set goes before what was measured."""
    block = {"auto": measured.block, "on": measured.block or measured.line, "off": 0}
    return replace(
        measured,
        prompt=options.prompt_tokens or measured.prompt,
        line=options.answer_tokens or measured.line,
        block=(options.answer_tokens if block[options.multiline] else 0)
        or block[options.multiline],
    )


def rules(chosen: Plan, options: ServerOptions) -> Rules:
    return Rules(chosen.line, chosen.block, options.min_confidence, options.max_entropy)
