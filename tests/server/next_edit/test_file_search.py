"""Which other files hold a text."""

from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_server.next_edit.file_search import MAX_HOLDING, HoldingSearch, holding

CALL = "value = fetch_page(url)\n"


def test_files_nearby_come_first_and_not_all() -> None:
    files = {f"far/m{n}.py": CALL for n in range(100)} | {"shop/b.py": CALL, "shop/c.py": "x = 1\n"}
    held = holding("fetch_page", "shop/a.py", files.items())
    assert held[0] == ("shop/b.py", CALL)
    assert len(held) == MAX_HOLDING


def test_of_the_same_language_and_no_notebooks() -> None:
    """The index has a notebook's code, whose lines are not those of the file."""
    index = Index()
    python = language_of("a.py")
    for path in ("a.py", "b.py", "c.ipynb"):
        index.update(path, CALL, language=python)
    index.update("d.js", "let value = fetch_page(url)\n")
    assert [path for path, _ in HoldingSearch(lambda: index)("fetch_page", "a.py")] == [
        "a.py",
        "b.py",
    ]
    assert HoldingSearch(lambda: None)("fetch_page", "a.py") == []
