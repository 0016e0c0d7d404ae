"""The way of a completion from the service alone: which step ends it, and what is recorded."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.acceptance import Outcome
from budgetai_server.completion.eligibility import Eligibility
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.completion.scheduler import Scheduler
from budgetai_server.completion.service import CompletionService, OpenDocument
from budgetai_server.completion.text_edit import Suggestion, TextEdit
from budgetai_server.inference.worker import Worker
from budgetai_server.options import ServerOptions
from support.says import Says


class Record:
    """What the service has written down."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.fates: list[str] = []

    def record_shown(self, number: int, language: str, seconds: float) -> None:
        self.numbers.append(number)

    def record_outcome(self, outcome: Outcome) -> None:
        self.fates.append(outcome.fate)


@pytest_asyncio.fixture
async def way(tmp_path: Path) -> AsyncIterator[tuple[CompletionService, Record, Says]]:
    engine, worker, record = Says("return a\n", "b = 2\n"), Worker(), Record()
    service = CompletionService(Eligibility(ServerOptions(), tmp_path), record)
    service.scheduler = Scheduler(engine, worker, CompletionPolicy(block=0))
    yield service, record, engine
    worker.close()


def opened(source: str, name: str = "a.py") -> OpenDocument:
    return OpenDocument(f"file:///w/{name}", Path("/w") / name, "w", name, source)


@pytest.mark.asyncio
async def test_the_way_is_eligible_remembered_scheduled_rendered_recorded(
    way: tuple[CompletionService, Record, Says],
) -> None:
    service, record, engine = way
    head = "def f(a):\r\n    "
    edit = await service.complete(opened(head), len(head))
    assert edit == TextEdit(len(head), len(head), "return a")
    assert (edit.number, record.numbers, len(engine.heard)) == (1, [1], 1)
    service.acceptance.change("file:///w/a.py", "def f(a):\n    ret")
    typed = await service.complete(opened(head + "ret"), len(head) + 3)
    assert typed and (typed.text, typed.number) == ("urn a", 1)
    assert len(engine.heard) == 1, "what is shown is remembered"
    assert service.scheduler
    assert (service.scheduler.totals.requests, service.scheduler.totals.cached) == (2, 1)
    service.acceptance.change("file:///w/a.py", "def f(a):\n    return a")
    assert record.fates == ["accepted"]


@pytest.mark.asyncio
async def test_what_is_not_eligible_asks_no_model(
    way: tuple[CompletionService, Record, Says],
) -> None:
    service, record, engine = way
    assert await service.complete(opened("key: ", "secrets.yaml"), 5) is None
    assert await service.complete(opened("x = f(a) + b\n"), 6) is None
    assert not engine.heard
    assert not record.numbers


@pytest.mark.asyncio
async def test_a_docstring_goes_before_the_rest_of_the_way(
    way: tuple[CompletionService, Record, Says],
) -> None:
    service, record, engine = way

    async def docstring(uri: str, snapshot: Snapshot, parsed: ParsedDocument) -> Suggestion:
        return Suggestion('Add."""')

    service.docstring_at = docstring
    source = 'def f():\n    """'
    edit = await service.complete(opened(source), len(source))
    assert edit and edit.text == 'Add."""'
    assert not engine.heard
    assert record.numbers == [1]


@pytest.mark.asyncio
async def test_the_item_that_is_shown_already_stays_as_it_is(
    way: tuple[CompletionService, Record, Says],
) -> None:
    """In the editor's list the suggestion itself is selected: it does not grow with each look."""
    service, record, engine = way
    head = "def f(a):\n    "
    edit = await service.complete(opened(head), len(head))
    assert edit
    again = await service.complete(opened(head), len(head), edit)
    assert again == edit
    assert (len(engine.heard), record.numbers) == (1, [1])


@pytest.mark.asyncio
async def test_without_a_model_there_is_nothing(tmp_path: Path) -> None:
    service = CompletionService(Eligibility(ServerOptions(), tmp_path), Record())
    assert await service.complete(opened("x = "), 4) is None
