"""The story of a docstring: whatever a model says, the code stays and nothing is invented."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.context.tree import errors
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.lint import lint
from budgetai_server.docstrings.generate import (
    DocstringGenerator,
    DocstringRequest,
    EmptyAnswerError,
    pending_docstring,
    write,
)
from budgetai_server.docstrings.neighbor_style import neighbor_style
from budgetai_server.docstrings.service import DocstringService, MovedError
from budgetai_server.docstrings.trigger import trigger
from budgetai_server.inference.engine import Cancelled, Piece, Usage
from budgetai_server.inference.local import LocalEngine
from budgetai_server.inference.worker import Worker
from support.says import Says

SAMPLES = {
    "a.py": """\
class Shelf:
    def take(self, name, count: int = 1):
        if count < 1:
            raise ValueError(count)
        return self.rows[name] - count
""",
    "b.ts": """\
export function take(name: string, count?: number): number {
  if (!count) {
    throw new RangeError("none");
  }
  return rows[name] - count;
}
""",
    "c.rs": """\
impl Shelf {
    pub fn take(&mut self, name: &str, count: usize) -> Result<i32, String> {
        self.rows.get(name).ok_or("none".to_string())
    }
}
""",
    "d.go": """\
package shelf

func (s *Shelf) Take(name string, count int) (int, error) {
	return s.rows[name] - count, nil
}
""",
    "E.java": """\
class Shelf {
    @Override
    int take(String name, int count) throws IllegalStateException {
        return rows.get(name) - count;
    }
}
""",
}


def parsed(path: str, text: str) -> ParsedDocument:
    return ParsedDocument.of(text, language_of(path))


def named(path: str, text: str, name: str) -> Documentable:
    return next(each for each in documentables(parsed(path, text)) if each.name.lower() == name)


def documented(path: str, text: str, engine: Says | LocalEngine, name: str = "take") -> str:
    found = parsed(path, text)
    manner = neighbor_style(found, path, None)
    one = write(engine, text, path, "shop", named(path, text, name), manner)
    return text[: one.start] + one.text + text[one.end :]


PYTHON = '''\
class Shelf:
    def take(self, name, count: int = 1):
        """Take rows.

        Args:
            name: what to take
            count: the count.

        Returns:
            What is left.

        Raises:
            ValueError: in case of an error.
        """
        if count < 1:
            raise ValueError(count)
        return self.rows[name] - count
'''


def test_what_the_signature_decides_is_written_here() -> None:
    engine = Says("Take rows.\n", " what to take\n", "Count", "What is left.", "take")
    assert documented("a.py", SAMPLES["a.py"], engine) == PYTHON
    assert engine.heard[0].endswith('        """')
    assert engine.heard[2].endswith("Args:\n            name: what to take\n            count: ")


@pytest.fixture(scope="module")
def small() -> Iterator[LocalEngine]:
    engine = LocalEngine(resolve(EMBEDDED).path or Path())
    yield engine
    engine.close()


WILD = (
    'a """ quote */ and \\\\ more\\',
    "@param ghost of a parameter\n:param ghost: it\nArgs:\n    ghost: it\n",
    "\x00\u202e# Arguments\n* `ghost` - it",
    "- `ghost`: it. @throws {Ghost} it. Raises: Ghost",
    "func x() {}\n}\n\n\n",
)


@pytest.mark.parametrize("path", SAMPLES)
def test_no_model_invents_anything_or_touches_code(path: str, small: LocalEngine) -> None:
    text, language = SAMPLES[path], language_of(path)
    assert language
    rounds: list[Any] = [
        small,
        *(Says(*[f"Round {n}. {w}", w, w, w, w]) for n, w in enumerate(WILD)),
    ]
    for engine in [*rounds, *(Says(*WILD[n:], *WILD[:n]) for n in range(len(WILD)))]:
        try:
            new = documented(path, text, engine)
        except EmptyAnswerError:
            continue
        after = named(path, new, "take")
        assert after.docstring, new
        found = lint(after, after.docstring.text, language)
        assert not found.invented, new
        assert not errors(parsed(path, new))
        without = new[: after.docstring.start].rstrip() + new[after.docstring.end :].lstrip()
        assert "".join(without.split()) == "".join(text.split())


OLD = '''\
def take(name, count):
    """Take rows from the shelf.

    Args:
        name: what to take, as it is
            called on the label.
        ghost: is not there.
    """
'''


def test_what_is_true_stays_word_by_word() -> None:
    documentable = named("a.py", OLD, "take")
    language = language_of("a.py")
    assert (
        language
        and (found := pending_docstring(documentable, language))
        and found.title == "Update docstring"
    )
    engine = Says("how many.\n")
    new = documented("a.py", OLD, engine)
    assert "Take rows from the shelf." in new and "called on the label.\n" in new
    assert "count: how many." in new and "ghost" not in new
    assert engine.heard[0].endswith("count: "), "only what is new is asked for"
    assert pending_docstring(named("a.py", new, "take"), language) is None


def test_nothing_to_say_is_an_error_in_one_line() -> None:
    with pytest.raises(EmptyAnswerError, match="nothing to say of take"):
        documented("a.py", SAMPLES["a.py"], Says("...\n", "\n"))
    for summary in ("take", "return self.rows[name] - count", "so " * 20):
        with pytest.raises(EmptyAnswerError):
            documented("a.py", SAMPLES["a.py"], Says(summary))


@pytest.mark.parametrize(
    "secret",
    ["AKIAIOSFODNN7EXAMPLD", 'password="hunter2-Qk3x9Zr8"', "ghp_" + "Ab3dE6gH9jK2mN5pQ8sT" * 2],
)
def test_a_secret_is_in_no_docstring(secret: str) -> None:
    """A model may have learned one by heart: from another file, or from its base's training."""
    engine = Says("Take rows.\n", f" the key {secret} of it\n", "Count", f"Uses {secret}.", secret)
    written = documented("a.py", SAMPLES["a.py"], engine)
    assert secret not in written
    assert "name: the name." in written
    with pytest.raises(EmptyAnswerError):
        documented("a.py", SAMPLES["a.py"], Says(f"Connect with {secret}.\n"))


def test_without_a_form() -> None:
    path, text = "a.py", SAMPLES["a.py"]
    manner = neighbor_style(parsed(path, text), path, None)
    engine = Says('Take it.\n\n        Args:\n            ghost: it\n        """\n        x = 1')
    one = write(engine, text, path, "shop", named(path, text, "take"), manner, free=True)
    assert one.text.endswith('Args:\n            ghost: it\n        """\n')


def test_habits_of_the_nearest_files_count() -> None:
    manner = 'def {}(a):\n    """Do.\n\n    :param a: it\n    """\n'
    index = Index([(f"near/{n}.py", manner.format(n)) for n in "xyz"])
    text = SAMPLES["a.py"]
    assert neighbor_style(parsed("near/a.py", text), "near/a.py", index).style == "sphinx"
    assert neighbor_style(parsed("near/a.py", text), "near/a.py", None).style == "google"


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.py", 'def f(a):\n    """‸\n    return a\n', "f"),
        ("a.py", "def f(a):\n    '''‸'''\n    return a\n", "f"),
        ("a.py", 'def f(a):\n    """‸"""\n\ndef g(): ...\n', "f"),
        ("a.py", 'class C:\n    """‸"\n    x = 1\n', "C"),
        ("a.py", '"""‸\nimport os\n', ""),
        ("a.py", 'def f(a):\n    return a\n    """‸\n', None),
        ("a.py", 'def f(a):\n    """\n    Said.\n    """‸\n    return a\n', None),
        ("a.py", 'x = f("""‸\n', None),
        ("b.ts", "/**‸ */\nexport function f(a) {}\n", "f"),
        ("b.ts", "class C {\n  /**‸\n  m(a) {}\n}\n", "m"),
        ("b.ts", "/**‸ one\nfunction f(a) {}\n", None),
        ("c.rs", "/**‸\nfn f(a: u8) {}\n", None),
    ],
)
def test_where_an_opening_mark_was_typed(path: str, text: str, name: str | None) -> None:
    cursor = text.index("‸")
    plain = text.replace("‸", "")
    found = trigger(parsed(path, plain), Snapshot("shop", path, plain, cursor))
    assert (found.documentable.name if found else None) == name


class Slow(Says):
    """Says a part only when it may; waits until then, or until it is stopped."""

    def __init__(self, *parts: str) -> None:
        super().__init__(*parts)
        self.go, self.began = threading.Event(), threading.Event()

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        self.began.set()
        while not self.go.wait(0.001):
            if cancelled():
                raise Cancelled
        yield from super().generate(prompt, limit, cancelled, usage)


@pytest.mark.asyncio
async def test_a_completion_goes_first() -> None:
    text = SAMPLES["d.go"]
    found = parsed("d.go", text)
    engine, worker = Slow("takes rows.\n"), Worker()
    scribe = DocstringService(worker, lambda language: engine)
    wish = DocstringRequest.of(named("d.go", text, "take"))
    look = lambda: (Snapshot("shop", "d.go", text, 0), found)  # noqa: E731
    generator = asyncio.ensure_future(scribe.write(wish, look))
    await asyncio.to_thread(engine.began.wait)
    assert await worker.submit(lambda job: "completion").future == "completion"
    assert not generator.done()
    engine.go.set()
    assert (await generator).text == "// Take takes rows.\n"
    with pytest.raises(MovedError):
        await scribe.write(DocstringRequest("function", "", "gone", 0), look)
    worker.close()


@pytest.mark.asyncio
async def test_an_adapter_that_goes_midway_is_not_asked_again() -> None:
    """Each part asks for its engine when its turn comes."""
    text = SAMPLES["a.py"]
    first, second, worker = Says("Take rows."), Says("A name.", "How many.", "It.", "If."), Worker()
    engines = [first]
    scribe = DocstringService(worker, lambda language: engines.pop() if engines else second)
    look = lambda: (Snapshot("shop", "a.py", text, 0), parsed("a.py", text))  # noqa: E731
    written = await scribe.write(DocstringRequest.of(named("a.py", text, "take")), look)
    assert (len(first.heard), len(second.heard)) == (1, 4)
    assert "Take rows." in written.text and "name: A name." in written.text
    worker.close()


def test_a_summary_that_is_code_is_asked_for_again_behind_its_verb() -> None:
    engine = Says("return f", " what is left.\n", "a name", "how many", "It.", "If.")
    assert '"""Return what is left.\n' in documented("a.py", SAMPLES["a.py"], engine)
    assert engine.heard[1] == f"{engine.heard[0]}Return"


def test_a_sentence_of_a_message_or_a_neighbour_is_no_code() -> None:
    message = "The count (of rows) is low"
    text = SAMPLES["a.py"].replace("(count)", f'("{message}")')
    text += '\n\ndef other():\n    """Other.\n\n    Take it (all)\n    """\n'
    engine = Says("Take it (all)\n", "what to take", "how many", "What is left", message)
    new = documented("a.py", text, engine)
    assert (new.count("Take it (all)\n"), new.count(message)) == (2, 2)


def test_only_new_words_are_escaped_in_what_is_there() -> None:
    for prefix, words in (("", "At \\\\d."), ("r", "At \\d.")):
        inside = f'{prefix}"""Take \\u2192 it.\n\n    Args:\n        name: it\n    """\n'
        old = f"def take(name, count):\n    {inside}"
        new = documented("a.py", old, Says("At \\d."))
        assert new == old.replace("name: it\n", f"name: it\n        count: {words}\n")


@pytest.mark.parametrize(
    "said",
    ["def take(self, name):", "import os", "from a import b", "rows = self.rows", "take(name)",
     "if count < 1: raise ValueError(count)", "return self.rows[name] - count", "Args:",
     ">>> take(1)", "@param x the x", ":param name: x"],
)  # fmt: skip
def test_code_and_markup_are_no_summary(said: str) -> None:
    with pytest.raises(EmptyAnswerError):
        documented("a.py", SAMPLES["a.py"], Says(f"{said}\n"))


def test_the_name_in_a_sentence_of_go_is_said_once() -> None:
    written = documented("d.go", SAMPLES["d.go"], Says("Take takes rows.\n"))
    assert "// Take takes rows.\n" in written


def test_a_part_that_was_stopped_is_said_again() -> None:
    text = SAMPLES["d.go"]
    manner = neighbor_style(parsed("d.go", text), "d.go", None)
    snapshot = Snapshot("shop", "d.go", text, 0)
    generator = DocstringGenerator(snapshot, named("d.go", text, "take"), manner)
    with pytest.raises(Cancelled):
        generator.generate_part(Slow("no"), lambda: True)
    generator.generate_part(Says("takes rows.\n"))
    assert generator.part == "" and generator.written().text == "// Take takes rows.\n"
