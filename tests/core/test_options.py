"""Options are declared once: flags, settings of editors, and what is not taken from them."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from budgetai_convert.options import ConvertOptions
from budgetai_core.command import flags, parse
from budgetai_core.errors import OptionError
from budgetai_core.options import (
    add_arguments,
    flag_name,
    from_namespace,
    groups,
    markdown_table,
    overridden,
    range_text,
    removed,
)
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.options import ServerOptions
from budgetai_training.options import TrainOptions


def parsed(*arguments: str) -> ServerOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser, ServerOptions)
    return from_namespace(ServerOptions, parser.parse_args(arguments))


def test_the_defaults_are_those_of_the_fields() -> None:
    assert parsed() == ServerOptions()


def test_flags() -> None:
    options = parsed("--model", "a.gguf", "--answer-tokens", "12", "--no-speculate")
    assert (options.model, options.answer_tokens, options.speculate) == (Path("a.gguf"), 12, False)


@pytest.mark.parametrize("arguments", [["--answer-tokens", "x"], ["--log-level", "loud"], ["--x"]])
def test_bad_flags_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parsed(*arguments)
    assert stop.value.code == 2


def test_settings_of_an_editor() -> None:
    options, complaints = overridden(
        ServerOptions(), {"answerTokens": 7, "multiline": "off", "model": ""}
    )
    assert (options.answer_tokens, options.multiline, options.model) == (7, "off", None)
    assert complaints == []


@pytest.mark.parametrize(
    "settings",
    [
        {"answerTokens": "x"},
        {"multiline": "yes"},
        {"logLevel": "debug"},
        {"nothing": 1},
        {"contextTokens": 0},
        {"latencyMs": 0},
        {"minConfidence": "nan"},
        {"sequences": 0},
        {"promptTokens": 5000},
        {"threads": float("inf")},
    ],
)
def test_bad_settings_change_nothing(settings: dict[str, object]) -> None:
    options, complaints = overridden(ServerOptions(), settings)
    assert options == ServerOptions()
    assert len(complaints) == 1
    assert next(iter(settings)) in complaints[0]


def test_what_was_removed_is_refused_with_what_to_do_instead(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for options in (ServerOptions, TrainOptions, ConvertOptions):
        for name, instead in removed(options).items():
            assert name not in options.__dataclass_fields__, name
            for arguments in ([flag_name(name)], [flag_name(name), "1"], [f"{flag_name(name)}=x"]):
                with pytest.raises(SystemExit) as ended:
                    parse("budgetai", "About.", options, arguments)
                assert ended.value.code == 2
                assert f"{flag_name(name)} was removed. {instead}" in capsys.readouterr().err
    kept, complaints = overridden(ServerOptions(), {"maxEntropy": 3})
    assert kept == ServerOptions()
    assert complaints == [
        "setting 'maxEntropy' was removed. Use --min-confidence, which hides unlikely answers"
    ]


@pytest.mark.parametrize("options", [ServerOptions, EvalOptions])
def test_a_number_out_of_its_range_is_refused_and_help_tells_the_range(
    options: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse("budgetai", "About.", options, ["--help-all"])
    help_text = " ".join(capsys.readouterr().out.split())
    limited = [option_field for option_field in fields(options) if range_text(option_field)]
    assert limited
    for declared in limited:
        low, high = declared.metadata["low"], declared.metadata["high"]
        assert f"; {range_text(declared)}" in help_text
        for outside in (low - 1, *((high + 1,) if high is not None else ()), float("nan")):
            with pytest.raises(OptionError, match=flag_name(declared.name)):
                options(**{declared.name: outside})


def test_options_as_a_command_line_read_back() -> None:
    options = ServerOptions(speculate=False, code_lens=True, threads=3, ignore=("a b", "c"))
    assert parse("budgetai", "About.", ServerOptions, flags(options)) == options


def test_trust_cannot_be_set_by_an_editor() -> None:
    options, complaints = overridden(ServerOptions(), {"trustWorkspaceModel": True})
    assert not options.trust_workspace_model
    assert complaints


def test_the_table_names_every_option() -> None:
    table = markdown_table(ServerOptions)
    for name in ServerOptions.__dataclass_fields__:
        assert "--" + name.replace("_", "-") in table


@pytest.mark.parametrize("options", [TrainOptions, ServerOptions, ConvertOptions])
def test_help_is_short_and_help_all_tells_the_rest(
    options: type, capsys: pytest.CaptureFixture[str]
) -> None:
    basic, *others = groups(options).values()
    named = {}
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as ended:
            parse("budgetai", "About.", options, [flag])
        assert ended.value.code == 0
        named[flag] = capsys.readouterr().out
    for field in basic:
        assert field.metadata["positional"] or flag_name(field.name) in named["--help"]
    advanced = [field for members in others for field in members]
    assert advanced
    for field in advanced:
        assert f"\n  {flag_name(field.name)}" in named["--help-all"]
        assert f"\n  {flag_name(field.name)} " not in named["--help"]
    assert f"{len(advanced)} more options: budgetai --help-all" in named["--help"]
    assert "more options" not in named["--help-all"]
