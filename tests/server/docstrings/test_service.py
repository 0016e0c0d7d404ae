"""What is not written, and why."""

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_called
from budgetai_core.context.prompt import Snapshot
from budgetai_core.docstrings.documentable import documentables
from budgetai_server.docstrings.generate import DocstringRequest
from budgetai_server.docstrings.service import DocstringService, MovedError
from budgetai_server.inference.engine import Engine, Usage
from budgetai_server.inference.worker import Worker


def no_engine(*_: object) -> Engine:
    raise AssertionError("nothing is generated")


def no_usage(_: Usage) -> None:
    raise AssertionError("nothing is generated")


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "said"), [("sql", "SQL"), ("st", "Structured Text")])
async def test_a_language_without_docstrings_is_named(name: str, said: str) -> None:
    text = "CREATE FUNCTION total(a int) RETURNS int;\n"
    parsed = ParsedDocument.of(text, language_called(name))
    assert not documentables(parsed)
    worker = Worker()
    service = DocstringService(worker, no_engine, no_usage)
    request = DocstringRequest("function", "", "total", 0)
    with pytest.raises(MovedError, match=f"no docstrings are written in {said}"):
        await service.write(request, lambda: (Snapshot("r", "a", text, 0), parsed))
    worker.close()
