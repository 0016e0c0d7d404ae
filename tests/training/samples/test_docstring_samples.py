"""Docstrings as samples: the server's prompt at their place, and nothing of the answer in it."""

from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot, build, encode
from budgetai_core.docstrings.body import body_text, ended
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.edit import insertion_point
from budgetai_core.docstrings.limits import limits
from budgetai_core.docstrings.style import repository_style
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_training.corpus.records import Corpus, CorpusFile
from budgetai_training.model import load
from budgetai_training.options import TrainOptions
from budgetai_training.samples.docstring_samples import (
    Pair,
    Pairs,
    check_enough,
    docstring_epoch,
    pairs_of,
    sample,
)
from budgetai_training.samples.encoding import UNLABELLED, Encoder
from support import tiny

PYTHON = '''\
"""Discounts for the {n} kind of order."""


def discount_{n}(price, rate):
    """Take a share of the price off, as the {n} shop does.

    Args:
        price: What the customer pays in cents.
        rate: The share that is taken off.

    Returns:
        The new price in cents, rounded down.
    """
    return int(price * (1 - rate))


def describe_{n}(order):
    """Tell an order of kind {n} in a line."""
    return f"{{order.name}}: {{order.total}}"


def stale_{n}(amount):
    """Convert an amount of kind {n} to another currency.

    Args:
        amount: The amount of money.
        currency: The currency to convert to.

    Returns:
        The converted amount of money.
    """
    return amount * 2


def plain_{n}(value):
    return value
'''
JAVASCRIPT = """\
/**
 * Joins the parts of address {n} into a label.
 *
 * @param {{string}} street - The street with its number.
 * @param {{string}} city - The town the parcel goes to.
 * @returns {{string}} The label to print.
 */
export function label{n}(street, city) {{
  return `${{street}}, ${{city}}`;
}}
"""
GO = """\
package shop

// Parcel{n} weighs a parcel of kind {n} with its wrapping,
// in grams.
func Parcel{n}(weight int, wrapping int) int {{
\treturn weight + wrapping
}}
"""
RUST = """\
/// Adds the tax of country {n} to a net price.
///
/// The result is rounded to whole cents.
pub fn gross_{n}(net: u64, tax: u64) -> u64 {{
    net + net * tax / 100
}}
"""
JAVA = """\
class Stock{n} {{
    /**
     * Takes goods out of the store number {n}.
     *
     * @param count how many pieces are taken
     * @return what is left in the store
     */
    int take(int count) {{
        return this.count - count;
    }}
}}
"""
SOURCES = {"py": PYTHON, "js": JAVASCRIPT, "go": GO, "rs": RUST, "java": JAVA}


def files(*numbers: int) -> tuple[CorpusFile, ...]:
    return tuple(
        CorpusFile("shop", f"src/part{n}.{ending}", text.format(n=n))
        for n in numbers
        for ending, text in SOURCES.items()
    )


CORPUS = Corpus("shop", files(*range(6)), files(7, 8), ())


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return pairs_of(CORPUS)


def everything(pairs: Pairs) -> tuple[Pair, ...]:
    return (*pairs.train, *pairs.held_out)


def test_every_language_has_its_pairs(pairs: Pairs) -> None:
    endings = {pair.file.path.rpartition(".")[2] for pair in pairs.train}
    assert endings == set(SOURCES)
    assert {pair.style for pair in pairs.train} >= {"google", "jsdoc", "go", "rust", "javadoc"}
    names = {pair.documentable.name for pair in pairs.held_out}
    assert {"discount_7", "label8", "Parcel7", "gross_8", "take"} <= names


def test_what_is_stale_or_missing_is_left_out_and_told(pairs: Pairs) -> None:
    assert not [pair for pair in everything(pairs) if "stale" in pair.documentable.name]
    assert pairs.left_out["stale"] == 8
    assert "8 stale" in pairs.description
    assert pairs.description.startswith(f"{len(pairs.train)} docstrings to learn, ")
    # What has no docstring is none that was left out.
    assert pairs.left_out["none"] >= 8
    assert "none" not in pairs.description


def test_an_answer_is_what_stood_between_the_marks(pairs: Pairs) -> None:
    for pair in everything(pairs):
        text, cursor = pair.insertion.text, pair.insertion.cursor
        assert text[:cursor].endswith(pair.insertion.opening)
        assert pair.documentable.docstring
        assert body_text(pair.insertion, pair.answer) == pair.documentable.docstring.text
        # Put in, it makes the file as it was.
        assert text[:cursor] + pair.answer + text[cursor:] == pair.file.text
        assert ended(pair.insertion, pair.answer + text[cursor:]) == len(pair.answer)


def test_no_prompt_shows_its_own_answer(pairs: Pairs) -> None:
    for pair in everything(pairs):
        prompt = sample(pair).prompt
        shown = prompt.after + prompt.before[: -len(pair.answer)]
        assert pair.documentable.docstring
        assert pair.documentable.docstring.text.split("\n")[0] not in shown


def test_a_docstring_that_stands_there_twice_is_not_learned() -> None:
    twice = "".join(
        f'def f{n}(a):\n    """See the base class for all."""\n    return a\n' for n in "xy"
    )
    collected = pairs_of(Corpus("shop", (CorpusFile("shop", "a.py", twice),), (), ()))
    assert not [pair for pair in collected.train if pair.documentable.name in ("fx", "fy")]


def test_the_prompt_is_the_servers_token_for_token(pairs: Pairs, tmp_path: Path) -> None:
    """At serving the docstring is not there yet: the prompt must not tell the difference."""
    folder = tiny.make_qwen2(tmp_path / "qwen2")
    encoder = Encoder(load(resolve(str(folder)), "", "fp32").tokenizer)
    for pair in pairs.held_out:
        language = language_of(pair.file.path)
        assert language is not None
        collected = documentables(ParsedDocument.of(pair.file.text, language))
        usual = repository_style([s for s in collected if s.docstring], language)
        # Someone has the same file without the docstring, and asks for it.
        bare = _without(pair)
        asked = next(
            s
            for s in documentables(ParsedDocument.of(bare, language))
            if (s.kind, s.name) == (pair.documentable.kind, pair.documentable.name)
        )
        place = insertion_point(bare, asked, usual)
        snapshot = Snapshot("shop", pair.file.path, place.text, place.cursor)
        prompt = build(snapshot, limits=limits(bare, asked, place))
        head, before = encode(prompt, encoder.markers, encoder.tokenize)
        shown = sample(pair)
        assert encoder.head(shown) == head
        learned = encoder.learned(shown)
        asked_for = [n for n, label in enumerate(learned["labels"]) if label != UNLABELLED]
        first = asked_for[0]
        # The token at the cursor may go on into the answer; a server that heals brings it again.
        assert learned["input_ids"][: first - 1] == [*head, *before][: first - 1]
        assert first >= len(head) + len(before) - 1
        assert asked_for == list(range(first, len(learned["labels"])))
        assert learned["input_ids"][-1] == encoder.markers.end
        assert encoder._tokenizer.decode(learned["input_ids"][first:-1]).endswith(pair.answer)


def _without(pair: Pair) -> str:
    """The file without the docstring and its line."""
    collected, text = pair.documentable.docstring, pair.file.text
    assert collected is not None
    start = text.rfind("\n", 0, collected.start) + 1
    return text[:start] + text[collected.end :].removeprefix("\n")


def test_a_round_shows_each_pair_as_often_as_its_file_weighs(pairs: Pairs) -> None:
    samples = [sample(pair) for pair in pairs.train]
    first, again, other = (docstring_epoch(samples, seed) for seed in ("0/0", "0/0", "0/1"))
    assert first == again != other
    assert sorted(map(id, first)) == sorted(map(id, samples)) == sorted(map(id, other))


def test_held_out_docstrings_lie_in_fresh_ranges() -> None:
    (file,) = (file_of for file_of in files(7) if file_of.path.endswith(".py"))
    start = file.text.index('"""Tell')
    end = file.text.index('"""', start + 3) + 3
    fresh = CorpusFile("shop", file.path, file.text, fresh=((start, end),))
    collected = pairs_of(Corpus("shop", CORPUS.train, (fresh,), ()))
    assert [pair.documentable.name for pair in collected.held_out] == ["describe_7"]


def test_too_few_docstrings_are_refused_with_their_number() -> None:
    with pytest.raises(RepositoryError, match=r"too few docstrings .* to learn, .*at least 20"):
        check_enough(Corpus("shop", files(1), (), ()))
    check_enough(CORPUS)


def test_a_recipe_of_cuts_means_nothing_here() -> None:
    with pytest.raises(OptionError, match="--recipe means nothing to --task docstring"):
        TrainOptions(task="docstring", recipe="nodes=0")
