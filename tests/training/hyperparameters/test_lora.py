"""--lora: its keys and values are checked, and what it says can be read again."""

import pytest

from budgetai_core.command import parse
from budgetai_core.errors import OptionError
from budgetai_core.options import flag_name
from budgetai_training.hyperparameters.lora import Lora, help_text
from budgetai_training.options import TrainOptions, of_earlier_version

EVERY_KEY = Lora(
    alpha=8, target="mlp", layers="upper", rslora=True, dora=True, plus=16.0, ranks="1,2,4",
    tolerance="se", distribution="geometric", decay=0.4, frozen=True,
)  # fmt: skip


@pytest.mark.parametrize("lora", [Lora(), Lora(ranks="1-8", plus=0.1), EVERY_KEY])
def test_it_is_written_as_it_is_read(lora: Lora) -> None:
    assert Lora.parse(str(lora)) == lora


def test_spaces_and_the_commas_of_ranks_are_no_matter() -> None:
    assert Lora.parse(" ranks = 1, 2 ,4, rslora = on,") == Lora(ranks="1,2,4", rslora=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pissa=on", "has no key 'pissa'. There are alpha, target, layers, rslora, dora, plus"),
        ("4", "has no key '4'"),
        ("dora", "--lora dora= is not known. dora is on or off"),
        ("dora=yes", "--lora dora=yes is not known. dora is on or off"),
        ("target=heads", "target is all or attention or mlp or auto"),
        ("alpha=x", "alpha is a whole number"),
        ("alpha=-1", "--lora alpha=-1"),
        ("alpha=1,alpha=2", "names alpha twice"),
        ("plus=inf", "--lora plus=inf"),
        ("plus=nan", "--lora plus=nan"),
        ("decay=1", "decay is a share between 0 and 1"),
        ("tolerance=2", "tolerance=2"),
        ("tolerance=nan%", "tolerance=nan%"),
        ("ranks=a,b", "ranks=a,b"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_those_there_are(
    text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OptionError) as caught:
        parse("budgetai-train", "", TrainOptions, ["--lora", text])
    assert words in str(caught.value)
    assert capsys.readouterr().err == ""


def test_help_names_every_key() -> None:
    assert all(f"{name}=" in help_text() for name in Lora.__dataclass_fields__)


@pytest.mark.parametrize("name", sorted(TrainOptions.REMOVED))
def test_an_option_of_an_earlier_version_is_refused_with_what_to_do_instead(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("budgetai-train", "", TrainOptions, [flag_name(name), "1"])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    flag = flag_name(name)
    assert line == f"budgetai-train: {flag} was removed. {TrainOptions.REMOVED[name]}"


def test_what_replaces_an_option_is_there() -> None:
    """The example behind --lora in each sentence is read."""
    for instead in TrainOptions.REMOVED.values():
        if instead.startswith("Use --lora "):
            example = instead.removeprefix("Use --lora ").partition(", ")[0]
            Lora.parse(example.replace("NUMBER", "2").replace("RATIO", "2"))


def test_options_of_an_earlier_version_are_those_of_now() -> None:
    kept = {
        "rank": 8, "alpha": 8, "target": "mlp", "layers": "upper", "rslora": True, "dora": False,
        "lora_plus": 16.0, "ranks": "1,2", "rank_tolerance": "se", "rank_distribution": "geometric",
        "rank_decay": 0.4, "frozen": True, "judge": 0, "evaluations": 6, "completions": 10,
    }  # fmt: skip
    now = of_earlier_version(kept)
    assert Lora.parse(now["lora"]) == Lora(
        alpha=8, target="mlp", layers="upper", rslora=True, plus=16.0, ranks="1,2", tolerance="se",
        distribution="geometric", decay=0.4, frozen=True,
    )  # fmt: skip
    assert (now["evaluate"], now["rank"]) == ("quick", 8)
    assert of_earlier_version(kept | {"judge": 4})["evaluate"] == "full"
    assert of_earlier_version(now) == now
