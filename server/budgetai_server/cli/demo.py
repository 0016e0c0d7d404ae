"""`budgetai-demo`: train, convert, serve over stdio, and compare with the base.

    budgetai-demo --repo PATH --budget 5m

Every step is the command a user would run, in a process of its own.
"""

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts import layout, promotion
from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.artifacts.promotion import Promotion
from budgetai_core.command import NOT_SERVED, parse, run
from budgetai_core.errors import BudgetAIError
from budgetai_core.evaluation.metrics import (
    LineScores,
    Score,
    change,
    first_line,
    score,
    signed,
)
from budgetai_core.evaluation.not_worse import LINES, MIN_LINES
from budgetai_core.evaluation.spans import MaskedSpan
from budgetai_core.evaluation.typed_commits import newest_with
from budgetai_core.options import Seconds, option
from budgetai_core.repository.history import SINCE
from budgetai_server.evaluation.options import EvalOptions

SHOWN = 5
# So many places are asked about for those that are shown, where the model was judged before.
_EXAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Which repository, and for how long."""

    repo: Path = option(Path(), "the repository to learn", unit="folder")
    budget: Seconds = option(Seconds(300), "wall-clock time for training", unit="time")
    holes: int = option(
        40, "held-out places to ask about, where there are too few lines to judge a model by"
    )


def main(argv: list[str] | None = None) -> int:
    return run("budgetai-demo", lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    about = "Train, convert and serve on one repository."
    options = parse("budgetai-demo", about, DemoOptions, argv)
    # Not above: --help has no use for a model.
    from budgetai_server.evaluation.lines import eval_set

    root = options.repo.resolve()
    newest = newest_with(root, LINES, at_least=MIN_LINES)
    _step(f"1/3  train on {root.name} for {options.budget}")
    holdout = ["--holdout", SINCE + newest] if newest else []
    _command("budgetai_training", "--repo", str(root), "--budget", str(options.budget), *holdout)
    adapter = _newest(layout.newest_adapter(root), "adapter")
    _step("2/3  convert, and serve it if it is not worse than what is served")
    _command("budgetai_convert", str(adapter), "--repo", str(root))
    promoted = promotion.latest(root)
    model = _newest(Path(promoted.model) if promoted else None, "model")
    assert promoted is not None
    _step("3/3  ask the language server at held-out places, with the base and the tuned model")
    base = resolve(EMBEDDED).path
    assert base is not None
    asked = _EXAMPLES if promoted.measures else options.holes
    questions = eval_set(EvalOptions(repo=root, holes=asked), [model])
    answers = {
        name: asyncio.run(_ask(path, root, questions.spans))
        for name, path in (("base", base), ("tuned", model))
    }
    if promoted.measures:
        print(_judged(promoted))
    else:
        print("There are too few lines to judge the model by; those below are cut out of files.")
        print(_report(AdapterManifest.read(adapter), questions.spans, answers))
    print("\n".join(["", "What the language server says where lines were cut:", ""]))
    print("\n".join(_examples(questions.spans, answers)))
    print(_next_steps(adapter, promoted))
    return 0


def _judged(promoted: Promotion) -> str:
    """Return the table of what was measured before the model was, or was not, served."""
    rows = [f"\n{'':16}  {promoted.against} -> {Path(promoted.model).stem}"]
    for name, (before, after, *apart) in promoted.measures.items():
        change = f"   {signed(Score(*apart))}" if apart else " lines"
        rows.append(f"{name:16}  {before:.3g} -> {after:.3g}{change}")
    rows.append(f"{promoted.lines} lines, {promoted.judged}; 95 % intervals")
    return "\n".join(rows)


def _step(title: str) -> None:
    print(f"\n== {title}", flush=True)


def _command(module: str, *arguments: str) -> None:
    # Without -P a file in the current folder, such as json.py, would be taken for a library.
    # Ctrl-C reaches the command too, which ends in good order; only then may we end.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    done = subprocess.run([sys.executable, "-P", "-m", module, *arguments], check=False)
    signal.signal(signal.SIGINT, before)
    if done.returncode not in (0, NOT_SERVED):
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


def _next_steps(adapter: Path, promoted: Promotion) -> str:
    # A string of JSON is one of Lua and of TOML, too.
    server = json.dumps(str(Path(sys.executable).with_name("budgetai-server")), ensure_ascii=False)
    return f"""\
adapter  {adapter}
model    {promoted.model}
served   {promoted.serves}
         {promoted.reason}

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
