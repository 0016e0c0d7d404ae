"""A mixture is written down in a few words."""

import pytest

from budgetai_core.errors import OptionError
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.hyperparameters.span_kinds import LINES, NODES


def test_an_empty_text_is_the_default() -> None:
    assert Mixture.parse("") == Mixture()


def test_groups_keep_their_proportions() -> None:
    mixture = Mixture.parse("nodes=0, lines=1,chunks=0.5,before=1200,order=dependency")
    assert [getattr(mixture, kind) for kind in NODES] == [0] * len(NODES)
    assert sum(getattr(mixture, kind) for kind in LINES) == pytest.approx(1)
    assert mixture.line / mixture.newline == pytest.approx(Mixture().line / Mixture().newline)
    assert (mixture.chunk_share, mixture.before, mixture.order) == (0.5, 1200, "dependency")


def test_a_group_that_was_nothing_is_filled_evenly() -> None:
    assert Mixture.parse("nodes=0,nodes=0.4").body == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nods=1", "nods"),
        ("nodes", "nodes"),
        ("nodes=-1", "expression"),
        ("chunks=1.5", "chunk_share=1.5"),
        ("body=nan", "body"),
        ("before=12", "before=12"),
        ("after=1.5", "after=1.5"),
        ("emphasis=0", "emphasis=0"),
        ("emphasis=" + "9" * 400, "emphasis=9"),
        ("order=random", "random"),
        ("lines=0,nodes=0,nothing=0", "needs a kind of cut"),
    ],
)
def test_a_wrong_recipe_is_named(text: str, named: str) -> None:
    with pytest.raises(OptionError, match=named):
        Mixture.parse(text)
