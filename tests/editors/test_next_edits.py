"""The next edit in real Neovims: shown, gone to, made, undone, dismissed, in two files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from editors.neovim import VERSIONS, Neovim
from editors.server import program
from editors.waiting import until

pytestmark = pytest.mark.editors

CALL = "def f{0}():\n    page = fetch_page(url{0}, 3)\n    show({0})\n\n\n"
CALLS = "".join(map(CALL.format, range(5)))
MARKS = """
local space = vim.api.nvim_get_namespaces()['budgetai.next_edit']
local words = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })) do
  for _, line in ipairs(mark[4].virt_lines or { mark[4].virt_text }) do
    for _, chunk in ipairs(line) do words[#words + 1] = chunk[1] end
  end
end
return table.concat(words)
"""


@pytest.fixture(params=VERSIONS)
def neovim(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Neovim]:
    editor = Neovim(request.param, tmp_path, program(tmp_path))
    yield editor
    assert "Error" not in editor.messages()
    editor.close()


def opened(editor: Neovim, name: str, text: str = CALLS) -> Path:
    path = editor.workspace / name
    path.write_bytes(text.encode())
    editor.open(path)
    editor.keys("<Esc>")
    return path


def shown(editor: Neovim, words: str) -> None:
    until(lambda: words in str(editor.value(MARKS)), words)


def renamed(editor: Neovim) -> None:
    """Rename the first call, and when the keys have rested the second."""
    for line in (2, 7):
        editor.keys(f":{line}s/fetch_page/load_page/<CR>")
        until(lambda: "load_page" in editor.text().split("\n")[line - 1], "renaming")  # noqa: B023
        editor.value("vim.wait(1500)")


def line_of(editor: Neovim) -> int:
    return int(editor.value("return vim.api.nvim_win_get_cursor(0)[1]"))


def test_jump_apply_undo(neovim: Neovim) -> None:
    opened(neovim, "a.py")
    renamed(neovim)
    shown(neovim, "page = load_page(url2, 3)")
    before = neovim.text()
    neovim.keys("<Plug>(budgetai-next-edit)")
    until(lambda: line_of(neovim) == 12, "jump")
    assert neovim.text() == before
    neovim.keys("<Plug>(budgetai-next-edit)")
    until(lambda: "load_page(url2, 3)" in neovim.text(), "edit")
    shown(neovim, "page = load_page(url3, 3)")
    neovim.keys("u")
    until(lambda: neovim.text() == before, "undo")


def test_dismissed_it_stays_away(neovim: Neovim) -> None:
    opened(neovim, "a.py")
    renamed(neovim)
    shown(neovim, "page = load_page(url2, 3)")
    neovim.keys("<Plug>(budgetai-next-edit-dismiss)")
    until(lambda: neovim.value(MARKS) == "", "nothing shown")
    neovim.value("vim.wait(1500)")
    assert neovim.value(MARKS) == ""


def test_it_goes_on_in_another_file_with_its_line_ends(neovim: Neovim) -> None:
    other = opened(neovim, "b.py", CALLS.replace("\n", "\r\n"))
    opened(neovim, "a.py", "".join(map(CALL.format, range(2))))
    renamed(neovim)
    shown(neovim, "next edit: ")
    neovim.keys("<Plug>(budgetai-next-edit)")
    until(lambda: neovim.value("return vim.api.nvim_buf_get_name(0)") == str(other), "jump")
    shown(neovim, "page = load_page(url0, 3)")
    neovim.keys("<Plug>(budgetai-next-edit)")
    until(lambda: "load_page(url0, 3)" in neovim.text(), "edit")
    neovim.press("save")
    assert (
        other.read_bytes()
        == CALLS.replace("fetch_page", "load_page", 1).replace("\n", "\r\n").encode()
    )


def test_a_changed_document_takes_it_back(neovim: Neovim) -> None:
    opened(neovim, "a.py")
    renamed(neovim)
    shown(neovim, "page = load_page(url2, 3)")
    neovim.keys("Ox<Esc>")
    neovim.keys("<Plug>(budgetai-next-edit)")
    neovim.value("vim.wait(300)")
    assert "load_page(url2" not in neovim.text()
