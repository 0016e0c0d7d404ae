"""Whatever is in the document and whatever the model says: it is one sound edit, and stays it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.languages import LANGUAGES, Language
from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.generation import Generation
from budgetai_server.completion.postprocess import (
    CursorContext,
    Edit,
    cost,
    postprocess,
    postprocess_lines,
    within,
)
from budgetai_server.completion.postprocess.repair import begins
from budgetai_server.completion.render import CompletionPolicy, render
from budgetai_server.completion.text_edit import Suggestion, from_suggestion, insertion
from budgetai_server.inference.engine import Piece
from support.trim_cases import CASES

# Pieces that code is made of, and some that break it.
PIECES = (
    "def f(a):", "if x {", "foo(", "bar", ")", "]", "}", "{", "[", "(", ";", ",", "end", "do", "fi",
    "then", " = ", "\n", "\n    ", "\n\t", "\r\n", '"', "'", "`", '"""', "#", "//", "/*", "*/",
    "return 1", "x", " ", "é", "語", "\ud800", "\x00", "\x85", "<div>", "=>", ":", "-- ",
    "password = ",
)  # fmt: skip
code = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30)
languages = st.sampled_from([None, *LANGUAGES])
few = settings(max_examples=250, deadline=None)


@few
@given(code, code, code, languages, st.booleans(), st.booleans(), st.booleans())
def test_any_text_gives_one_sound_edit(
    before: str, after: str, answer: str, language: Language | None,
    whole: bool, block: bool, repair: bool,
) -> None:  # fmt: skip
    context = CursorContext(before, after, language)
    shown_part = postprocess(context, answer, whole=whole, block=block, repair=repair)
    if shown_part is None:
        assert not whole
        return
    replaced = after[: shown_part.replaces]
    assert len(replaced) == shown_part.replaces <= len(context.line_after)
    assert within(replaced, shown_part.text)
    assert shown_part.text == shown_part.text.rstrip()
    if block and repair and context.sound and not context.prose:
        shown = Edit(shown_part.text, shown_part.replaces)
        no_worse = cost(context, shown) <= cost(context, Edit(""))
        assert no_worse or begins(context, shown, in_text=False)


@few
@given(st.sampled_from(sorted(CASES)), st.data())
def test_typing_along_gives_the_rest_of_the_same_answer(name: str, data: st.DataObject) -> None:
    """However the answer has grown meanwhile, and wherever in it the cursor is."""
    context, raw = CASES[name].context, CASES[name].answer
    path, start = name.rpartition("/")[2], len(context.before)
    answer = Generation(Snapshot("r", path, context.before + context.after, start))
    first: Suggestion | None = None
    typed = 0
    for at in range(0, len(raw), 3):
        answer.add(Piece(raw[at : at + 3]))
        answer.ended = at + 3 >= len(raw)
        if first and first.text:
            typed = data.draw(st.integers(typed, len(first.text) - 1))
        text = context.before + (first.text[:typed] if first else "") + context.after
        shown_part = render(
            answer, Snapshot("r", path, text, start + typed), CompletionPolicy(line=20, block=30)
        )
        first = first or shown_part
        rest = first.text[typed:] if first else ""
        if (
            first
            and within(context.after[: first.replaces], rest)
            and rest != context.after[: first.replaces]
        ):
            assert shown_part and (shown_part.text, shown_part.replaces) == (rest, first.replaces)


def test_lines_that_are_shown_while_a_block_is_written_are_its_beginning() -> None:
    """What was sent of a stream cannot be taken back. In most blocks there is something to send."""
    streamed = 0
    blocks = [case for case in CASES.values() if case.answer.count("\n") > 1]
    for case in blocks:
        source, cursor = case.context.before + case.context.after, len(case.context.before)

        def put_in(text: str, replaces: int, source: str = source, cursor: int = cursor) -> str:
            edit = from_suggestion(Suggestion(text, replaces=replaces), source, cursor, None)
            return insertion(edit, source, cursor) if edit else ""

        lines = case.answer.splitlines(keepends=True)
        answers = ["".join(lines[:count]) for count in range(1, len(lines))]
        sent = [""]
        for answer in answers:
            whole = postprocess(case.context, answer, whole=False)
            if whole is not None:
                break
            if growing := postprocess_lines(case.context, answer):
                sent.append(put_in(growing.text, growing.replaces))
        else:
            whole = case.outcome()
        longest = max(sent, key=len)
        streamed += longest != ""
        assert put_in(whole.text, whole.replaces).startswith(longest), case.name
    assert streamed > len(blocks) / 2
