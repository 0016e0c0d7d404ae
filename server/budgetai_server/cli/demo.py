"""`budgetai-demo`: train, convert, serve over stdio, and compare with the base.

    budgetai-demo --repo PATH --budget 5m

Every step is the command a user would run, in a process of its own.
"""

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.command import parse, run
from budgetai_core.errors import BudgetAIError
from budgetai_core.evaluation.metrics import LineScores, change, first_line, score
from budgetai_core.evaluation.spans import MaskedSpan
from budgetai_core.options import Seconds, option
from budgetai_core.repository.history import SINCE
from budgetai_server.evaluation.options import EvalOptions

SHOWN = 5
# So many places are asked about for those that are shown.
_EXAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Which repository, and for how long."""

    repo: Path = option(Path(), "the repository to learn", unit="folder")
    budget: Seconds = option(Seconds(300), "wall-clock time for training", unit="time")
    holes: int = option(
        40, "lines that are typed, or held-out places where the history has too few"
    )


def main(argv: list[str] | None = None) -> int:
    return run("budgetai-demo", lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    about = "Train, convert and serve on one repository."
    options = parse("budgetai-demo", about, DemoOptions, argv)
    # Not above: --help has no use for a model.
    from budgetai_server.evaluation import typed
    from budgetai_server.evaluation.lines import eval_set

    root = options.repo.resolve()
    newest = typed.newest_with(root, options.holes)
    commits = SINCE + newest if newest else ""
    _step(f"1/3  train on {root.name} for {options.budget}")
    holdout = ["--holdout", commits] if commits else []
    _command("budgetai_training", "--repo", str(root), "--budget", str(options.budget), *holdout)
    adapter = _newest(layout.newest_adapter(root), "adapter")
    _step("2/3  convert")
    _command("budgetai_convert", str(adapter))
    model = _newest(layout.newest_model(root), "model")
    base = resolve(EMBEDDED).path
    assert base is not None
    wanted = EvalOptions(repo=root, holes=options.holes, commits=commits, model=(base, model))
    if commits:
        _step("3/3  type the newest commits, with the base and with the tuned model")
        print(_as_typed(wanted))
        asked = _EXAMPLES
    else:
        _step("3/3  ask the language server at held-out places, with the base and the tuned model")
        print("The history has too few lines to type: lines of held-out files are cut instead.")
        asked = options.holes
    questions = eval_set(replace(wanted, holes=asked), [model])
    answers = {
        name: asyncio.run(_ask(path, root, questions.spans))
        for name, path in (("base", base), ("tuned", model))
    }
    if not commits:
        print(_report(AdapterManifest.read(adapter), questions.spans, answers))
    print("\n".join(["", "What the language server says where lines were cut:", ""]))
    print("\n".join(_examples(questions.spans, answers)))
    print(_next_steps(adapter, model))
    return 0


def _as_typed(options: EvalOptions) -> str:
    from budgetai_server.cli.evaluate import typed_table, with_bar
    from budgetai_server.evaluation import typed
    from budgetai_server.evaluation.candidates import served

    lines = typed.typed_set(options, options.model)
    evaluations = []
    for path in options.model:
        with served(path, options.task) as engines:
            engine, policy = engines[0]
            work = partial(typed.evaluate, engine, policy, lines, options.patience)
            evaluations.append(with_bar(engine.name, lines.count, options, work))
    return typed_table(evaluations, [typed.change(*evaluations)], lines)


def _step(title: str) -> None:
    print(f"\n== {title}", flush=True)


def _command(module: str, *arguments: str) -> None:
    # Without -P a file in the current folder, such as json.py, would be taken for a library.
    # Ctrl-C reaches the command too, which ends in good order; only then may we end.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    done = subprocess.run([sys.executable, "-P", "-m", module, *arguments], check=False)
    signal.signal(signal.SIGINT, before)
    if done.returncode:
        raise SystemExit(done.returncode)


def _newest(path: Path | None, what: str) -> Path:
    if path is None:
        raise BudgetAIError(f"the {what} is not where it should be")
    return path


async def _ask(model: Path, root: Path, spans: tuple[MaskedSpan, ...]) -> list[str]:
    """Return first lines from a server process that serves `model`, one per span."""
    from budgetai_server.cli.demo_editor import position_after, started

    answers = []
    async with started("--model", str(model)) as editor:
        await editor.open_workspace(root, {"multiline": "off"})
        if not any("serves" in message for message in editor.messages):
            raise BudgetAIError("; ".join(editor.messages))
        for number, span in enumerate(spans):
            uri = (root / span.path).as_uri() + f"?hole={number}"
            editor.open(uri, span.before + span.after)
            suggestions = await editor.inline(uri, position_after(span.before))
            answers.append(suggestions[0] if suggestions else "")
            editor.close(uri)
            print(f"\r{model.name}: {number + 1}/{len(spans)}", end="", file=sys.stderr)
        print(file=sys.stderr)
    return answers


def _report(
    manifest: AdapterManifest, spans: tuple[MaskedSpan, ...], answers: dict[str, list[str]]
) -> str:
    expected = [span.expected for span in spans]
    scores = {name: score(given, expected) for name, given in answers.items()}
    losses = {
        "base": manifest.scores["held_out_loss_before"],
        "tuned": manifest.scores["held_out_loss_after"],
    }
    lines = [f"\n{'':6}  held-out loss  {'exact match':22}  edit similarity (first line)"]
    lines += [_row(name, losses[name], scores[name]) for name in answers]
    lines.append(f"\n{change(scores['base'], scores['tuned'])}")
    lines.append(f"{len(spans)} places in files that were held out; 95 % intervals")
    return "\n".join(lines)


def _row(name: str, loss: float | None, scores: LineScores) -> str:
    shown = f"{loss:.3f}" if loss is not None else "-"
    return f"{name:6}  {shown:13}  {scores.exact_match!s:22}  {scores.edit_similarity}"


def _examples(spans: tuple[MaskedSpan, ...], answers: dict[str, list[str]]) -> list[str]:
    """Return a few places, those first where base and tuned model differ."""
    order = sorted(
        range(len(spans)),
        key=lambda i: first_line(answers["base"][i]) == first_line(answers["tuned"][i]),
    )
    lines = []
    for i in order[:SHOWN]:
        span = spans[i]
        lines.append(f"{span.path}:{span.before.count(chr(10)) + 1}")
        lines.append(f"  code   {span.before.rpartition(chr(10))[2].strip()}▮")
        lines += [f"  {name:6} {first_line(given[i])}" for name, given in answers.items()]
        lines.append(f"  truth  {span.expected}\n")
    return lines


def _next_steps(adapter: Path, model: Path) -> str:
    # A string of JSON is one of Lua and of TOML, too.
    server = json.dumps(str(Path(sys.executable).with_name("budgetai-server")), ensure_ascii=False)
    return f"""\
adapter  {adapter}
model    {model}

Neovim 0.12 (init.lua); the server finds the model of the folder you open:
  vim.lsp.config('budgetai', {{ cmd = {{ {server} }}, root_markers = {{ '.git' }} }})
  vim.lsp.enable('budgetai')
  vim.lsp.inline_completion.enable()
  vim.keymap.set('i', '<Tab>', function()
    if not vim.lsp.inline_completion.get() then return '<Tab>' end
  end, {{ expr = true }})

Helix (languages.toml):
  [language-server.budgetai]
  command = {server}
"""


if __name__ == "__main__":
    sys.exit(main())
