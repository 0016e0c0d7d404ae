"""budgetai-convert: an adapter becomes a GGUF file that the server finds by itself."""

import dataclasses
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from budgetai_convert.options import PROGRAM, ConvertOptions
from budgetai_core import command
from budgetai_core.artifacts import layout
from budgetai_core.next_command import run_next

if TYPE_CHECKING:
    from budgetai_convert.convert import ConversionResult

# A command of another part, known by its name alone.
_GATE = "budgetai_server.cli.promote"
ABOUT = (
    "Merge an adapter into its base, quantise the result, and check it against the tuned model. "
    "The file appears only when every check has passed."
)


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0, 2 for a mistake, 3 where what was served
    before stays, 130 when interrupted."""
    options = command.parse(PROGRAM, ABOUT, ConvertOptions, argv)
    return command.run(PROGRAM, lambda: _main(options))


def _main(options: ConvertOptions) -> int:
    # Imported here: --help must not wait for llama.cpp and numpy.
    from budgetai_convert.convert import convert, cut

    if options.peft is not None:
        made = cut(options, options.peft)
        if options.json:
            command.print_json({"adapter": str(options.peft), **dataclasses.asdict(made)})
        else:
            print(f"adapter    {options.peft}, rank {made.rank}")
        return 0
    result = convert(options)
    if result.model.parent.name == layout.CANDIDATES and options.out is None:
        return _go_on(options, result)
    if options.json:
        command.print_json(_as_json(result))
    else:
        _print(result)
        print(f"next       {_next(options)}")
    return 0


def _go_on(options: ConvertOptions, result: "ConversionResult") -> int:
    """Ask whether the model may be served. Returns the exit code of that."""
    if not options.json:
        _print(result)
    root = options.repo or result.root or (None if options.source else Path.cwd())
    arguments = [str(result.model), *([f"--repo={root.resolve()}"] if root else [])]
    code, promotion = run_next(_GATE, arguments, as_json=options.json)
    if options.json:
        more = {"model": promotion["model"], "promotion": promotion} if promotion else {}
        command.print_json(_as_json(result) | more)
    elif code not in (0, command.NOT_SERVED):
        again = shlex.join(["budgetai", "promote", str(result.model), *arguments[1:]])
        print(f"next       {again}")
    return code


def _print(result: "ConversionResult") -> None:
    from budgetai_convert.quantize.quantize_report import table

    if result.choice:
        print(table(result.choice))
    checks = result.manifest.checks
    ties = f" ({checks['greedy_ties']:.0f} too close to call)" if checks["greedy_ties"] else ""
    if result.model.parent.name != layout.CANDIDATES:
        # Else it is told where it is once that is decided.
        print(f"model      {result.model}")
    print(f"rank       {result.manifest.rank}")
    print(f"size       {result.manifest.size / 1e6:,.1f} MB, {result.manifest.quant}")
    for entry in result.entries:
        told = f"{entry.task}, rank {entry.rank}, {entry.size / 1e6:,.1f} MB"
        print(f"adapter    {entry.name}: {told}")
    print(f"merge      KL divergence {checks['kld_f16']:.2g} to torch, same answers{ties}")
    if result.manifest.quant != "F16":
        print(
            f"quantised  KL divergence {checks['kld']:.2g}, "
            f"same best token at {checks['top_agreement']:.1%} of {checks['positions']:.0f} places"
        )
    if "loss_merged_4bit" in checks:
        print(
            f"merged     into {result.manifest.notes['merged_into']}: held-out loss "
            f"{checks['loss_merged_16bit']:.3f} in 16 bits, {checks['loss_merged_4bit']:.3f} in 4"
        )
    if "held_out_exact" in checks:
        print(
            f"held out   {checks['held_out_exact']:.0%} of {checks['held_out_holes']:.0f} lines, "
            f"16 bits {checks['held_out_exact_f16']:.0%}; "
            f"KL divergence {checks['held_out_kld']:.2g}"
        )
    _print_notes(result.manifest.notes)
    if "held_out_exact" not in checks and "judged_by" in result.manifest.notes:
        print(f"held out   {result.manifest.notes['judged_by']}")


def _print_notes(notes: Mapping[str, str]) -> None:
    for label, key in (("weights", "own_weights"), ("tokenizer", "tokenizer")):
        if key in notes:
            print(f"{label:<10} {notes[key]}")


def _as_json(result: "ConversionResult") -> dict[str, object]:
    from budgetai_convert.quantize.quantize_report import as_json

    return {
        "model": str(result.model),
        "seconds": round(result.seconds, 1),
        **dataclasses.asdict(result.manifest),
        **(
            {"adapters": [dataclasses.asdict(entry) for entry in result.entries]}
            if result.entries
            else {}
        ),
        **({"auto": as_json(result.choice)} if result.choice else {}),
    }


def _next(options: ConvertOptions) -> str:
    if options.add_to is not None:
        return "servers that run take it up by themselves"
    if options.out is not None:
        return shlex.join(["budgetai-server", "--model", str(options.out)])
    return "budgetai-server finds it by itself; start your editor"


if __name__ == "__main__":
    sys.exit(main())
