"""Names that were removed or changed."""

import pytest

from budgetai_core.evaluation.gone_names import NameHistory, own_names, says_any

OLD = "def load_table(path):\n    return openTable(path)\n\n\nclass Reader:\n    pass\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def close(self): pass", {"close"}),
        ("func (t *Table) Rows() int { return rowCount(t) }", {"Rows", "rowCount"}),
        ("export interface Options { verbose: boolean }", {"Options"}),
        ("const size = MAX_SIZE", {"size", "MAX_SIZE"}),
        ("HTTPServer.run()", set()),
        ("# the words of a comment are nobody's names", set()),
        ("__init__ and _x", set()),
    ],
)
def test_names_that_somebody_made_up(text: str, names: set[str]) -> None:
    assert own_names(text) == names


def test_what_is_gone_and_what_comes_back() -> None:
    history = NameHistory()
    history.put("a.py", OLD)
    history.put("b.py", "from a import load_table\n")
    history.learn()
    assert not history.gone
    history.put("a.py", OLD.replace("load_table", "read_table").replace("openTable", "opened"))
    # Another file still says the one.
    assert history.gone == {"openTable"}
    history.put("b.py", None)
    assert history.gone == {"openTable", "load_table"}
    history.put("c.py", "# load_table was here\n")
    assert history.gone == {"openTable"}
    assert len(history) == 2


def test_a_name_that_was_expected_is_said_rightly() -> None:
    gone = frozenset({"load_table"})
    assert says_any("x = load_table(1)\n", gone, "x = read_table(1)")
    assert not says_any("x = load_table(1)\n", gone, "x = load_table(2)")
    assert not says_any("x = load_tables(1)\n", gone, "x")
