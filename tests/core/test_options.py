"""Options are declared once: flags, settings of editors, and what is not taken from them."""

import argparse
from pathlib import Path

import pytest

from budgetai_convert.options import ConvertOptions
from budgetai_core.command import parse
from budgetai_core.options import (
    add_arguments,
    flag_name,
    from_namespace,
    groups,
    markdown_table,
    overridden,
)
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
