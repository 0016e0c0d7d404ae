"""What is in flight: who waits for it, what makes way, what stops. The engine is one by hand, which
writes a token when the test lets it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import pytest
import pytest_asyncio

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.context.window import WindowLimits
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.completion.scheduler import Phase, Scheduler
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.inference.engine import Cancelled, Piece, Usage
from budgetai_server.inference.worker import Worker

BEFORE = "def f(a):\n    "
TOKENS = ("return", " a", "\n", "\n", "b", " = 1", "\n", "c", " = 2", "\n", "d", " = 3", "\n")


def place(typed: str = "", path: str = "a.py") -> Snapshot:
    return Snapshot("r", path, BEFORE + typed + "\n", len(BEFORE + typed))


class Stepwise:
    """Writes `tokens` after any prompt, each once `step` lets it; all at once after `free`."""

    name, state, ahead, limits = "stepwise", "ready", True, WindowLimits()

    def __init__(self) -> None:
        self.tokens: tuple[str, ...] = TOKENS
        self.prompts: list[str] = []
        self.warmed: list[str] = []
        self.shown: list[Prompt] = []
        self.written = 0
        self.splices = False
        self._steps = threading.Semaphore(0)
        self._free = False

    def step(self, count: int = 1) -> None:
        self._steps.release(count)

    def free(self) -> None:
        self._free = True

    def hold(self) -> None:
        self._free = False

    def _wait(self, cancelled: Callable[[], bool]) -> None:
        while not self._free and not self._steps.acquire(timeout=0.005):
            if cancelled():
                raise Cancelled
        if cancelled():
            raise Cancelled

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        self.prompts.append(prompt.before)
        self.shown.append(prompt)
        usage.spliced = self.splices
        for token in self.tokens:
            self._wait(cancelled)
            self.written += 1
            usage.answer_tokens += 1
            yield Piece(token)

    def warm(self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage) -> None:
        self._wait(cancelled)
        self.warmed.append(prompt.before)

    def learn(self, texts: Iterable[str]) -> None: ...
    def close(self) -> None: ...


class Bench:
    """A scheduler for lines, its engine, and a look at what is in flight for a document."""

    def __init__(self) -> None:
        self.engine = Stepwise()
        self.worker = Worker()
        self.scheduler = Scheduler(self.engine, self.worker, CompletionPolicy(block=0), sequences=2)

    @property
    def phase(self) -> Phase | None:
        in_flight = self.scheduler._in_flight.get("a")
        return in_flight.phase if in_flight and not in_flight.job.done else None

    def ask(self, snapshot: Snapshot) -> "asyncio.Task[Suggestion | None]":
        return asyncio.ensure_future(self.scheduler.complete("a", snapshot))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not reached():
                await asyncio.sleep(0.002)

    async def idle(self) -> None:
        await self.until(lambda: not self.scheduler.busy)
        await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.worker.close()


@pytest.mark.asyncio
async def test_a_request_then_a_few_lines_ahead(bench: Bench) -> None:
    request = bench.ask(place())
    await bench.until(lambda: bench.phase is Phase.REQUESTED)
    bench.engine.step(3)
    suggestion = await request
    assert suggestion and suggestion.text == "return a"
    assert bench.phase is Phase.LOOKAHEAD
    bench.engine.free()
    await bench.idle()
    # Four line ends: the lines after the first are there for whoever asks.
    assert bench.engine.written == 10
    following = await bench.scheduler.complete("a", place("return a\n\n"))
    assert following and following.text == "b = 1"
    assert (bench.scheduler.totals.requests, bench.scheduler.totals.cached) == (2, 1)


@pytest.mark.asyncio
async def test_ahead_of_a_request_only_the_prompt_is_evaluated(bench: Bench) -> None:
    bench.scheduler.warm("a", place())
    assert bench.phase is Phase.WARMING
    bench.engine.free()
    await bench.idle()
    assert bench.engine.written == 1


@pytest.mark.asyncio
async def test_a_request_joins_what_is_warmed(bench: Bench) -> None:
    bench.scheduler.warm("a", place())
    request = bench.ask(place("ret"))
    await bench.until(lambda: bench.phase is Phase.REQUESTED)
    bench.engine.free()
    suggestion = await request
    assert suggestion and suggestion.text == "urn a"
    assert bench.engine.prompts == [BEFORE]


@pytest.mark.asyncio
async def test_a_request_that_contradicts_takes_the_place(bench: Bench) -> None:
    first = bench.ask(place())
    bench.engine.step()
    await bench.until(lambda: bench.engine.written == 1)
    second = bench.ask(place("if "))
    assert await first is None
    bench.engine.free()
    suggestion = await second
    assert suggestion and suggestion.text == "return a"
    assert bench.engine.prompts[-1] == BEFORE + "if "


@pytest.mark.asyncio
async def test_a_changed_text_that_contradicts_is_gone_to(bench: Bench) -> None:
    request = bench.ask(place())
    bench.engine.step()
    await bench.until(lambda: bench.engine.written == 1)
    bench.scheduler.changed("a", place("if "))
    assert await request is None
    bench.engine.free()
    await bench.idle()
    assert bench.engine.prompts == [BEFORE, BEFORE + "if "]


@pytest.mark.asyncio
async def test_a_cancelled_request_stops_its_work_after_a_moment(bench: Bench) -> None:
    request = bench.ask(place())
    await bench.until(lambda: bench.phase is Phase.REQUESTED)
    request.cancel()
    await asyncio.wait([request])
    assert bench.phase is Phase.LOOKAHEAD, "editors ask again at once"
    await bench.idle()
    assert bench.phase is None
    assert bench.engine.written == 0


@pytest.mark.asyncio
async def test_a_cancelled_request_that_is_asked_again_goes_on(bench: Bench) -> None:
    first = bench.ask(place())
    bench.engine.step()
    await bench.until(lambda: bench.engine.written == 1)
    first.cancel()
    await asyncio.wait([first])
    again = bench.ask(place("re"))
    await asyncio.sleep(0.06)
    assert bench.phase is Phase.REQUESTED
    bench.engine.free()
    suggestion = await again
    assert suggestion and suggestion.text == "turn a"
    assert bench.engine.prompts == [BEFORE]


@pytest.mark.asyncio
async def test_work_ahead_makes_way_and_goes_on(bench: Bench) -> None:
    bench.scheduler.warm("a", place())
    await bench.until(lambda: bool(bench.engine.prompts))
    other = asyncio.ensure_future(bench.scheduler.complete("b", place(path="b.py")))
    await bench.until(lambda: len(bench.engine.prompts) == 2)
    bench.engine.free()
    assert await other
    await bench.idle()
    assert len(bench.engine.prompts) == 3, "the first place is evaluated after all"


@pytest.mark.asyncio
async def test_only_the_newest_of_many_places_is_warmed(bench: Bench) -> None:
    for number in range(5):
        bench.scheduler.warm(f"{number}", place(path=f"{number}.py"))
    bench.engine.free()
    await bench.idle()
    assert bench.engine.written == 1


@pytest.mark.asyncio
async def test_a_closed_document_has_nothing_in_flight(bench: Bench) -> None:
    request = bench.ask(place())
    await bench.until(lambda: bench.phase is Phase.REQUESTED)
    bench.scheduler.forget("a")
    assert await request is None
    assert bench.phase is None


@pytest.mark.asyncio
async def test_an_approximation_is_refined(bench: Bench) -> None:
    bench.engine.splices = True
    bench.engine.free()
    assert await bench.scheduler.complete("a", place())
    await bench.until(lambda: bool(bench.engine.warmed))
    await bench.idle()
    assert bench.engine.warmed == bench.engine.prompts == [BEFORE]


LOOP = (
    "for b in a:",
    "\n",
    "        ",
    "print(b)",
    "\n",
    "    ",
    "return a",
    "\n",
    "\n",
    "c",
    "\n",
)


@pytest.mark.asyncio
async def test_a_line_that_is_there_beats_a_block_that_is_not(bench: Bench) -> None:
    bench.engine.tokens = LOOP
    bench.scheduler.policy = CompletionPolicy(block_seconds=0.05)
    request = bench.ask(place())
    bench.engine.step(4)
    suggestion = await request
    assert suggestion and suggestion.text == "for b in a:"
    # Typing along it waits no longer, and the work goes on.
    along = await asyncio.wait_for(bench.ask(place("for b")), 5)
    assert along and along.text == " in a:"
    assert bench.phase is Phase.LOOKAHEAD
    bench.engine.free()
    await bench.idle()
    block = await bench.scheduler.complete("a", place("for"))
    assert block and block.text == " b in a:\n        print(b)\n    return a"
    assert bench.engine.prompts == [BEFORE]


@pytest.mark.asyncio
async def test_a_block_that_is_there_in_time_is_shown_whole(bench: Bench) -> None:
    bench.engine.tokens = LOOP
    bench.scheduler.policy = CompletionPolicy(block_seconds=30)
    request = bench.ask(place())
    bench.engine.step(4)
    await asyncio.sleep(0.05)
    assert not request.done()
    bench.engine.free()
    suggestion = await request
    assert suggestion and suggestion.text == "for b in a:\n        print(b)\n    return a"


@pytest.mark.asyncio
async def test_a_line_whose_block_never_came_is_not_asked_for_again(bench: Bench) -> None:
    bench.engine.tokens = LOOP
    bench.scheduler.policy = CompletionPolicy(block_seconds=0.01)
    bench.engine.step(4)
    assert await bench.ask(place())
    bench.scheduler.stop("a")
    await bench.idle()
    along = await bench.scheduler.complete("a", place("for b"))
    assert along and along.text == " in a:"
    assert bench.engine.prompts == [BEFORE]


LIKE = """\
def test_open_keeps_its_name():
    service = make_service("open")
    assert service.name == "open"
"""
FAR = "".join(f"value_{number} = {number}\n" for number in range(400))
SAID = 'assert service.name == "open"'


DEFINED = "def test_shut_keeps_its_name():\n    "
BEGUN = DEFINED + 'service = make_service("sh'
NEXT = DEFINED + 'service = make_service("shut")\n    '


def typing(lines: str) -> Snapshot:
    text = LIKE + FAR + lines
    return Snapshot("r", "a.py", text + "\n", len(text))


def holds(prompt: Prompt) -> bool:
    return any(SAID in chunk.text for chunk in prompt.chunks)


async def asked_above(bench: Bench) -> None:
    """Ask some lines above the one that is typed, where nothing is like those to come."""
    bench.scheduler.index = Index()
    bench.engine.free()
    assert await bench.scheduler.complete("a", typing(""))
    await bench.idle()
    assert not holds(bench.engine.shown[-1])


@pytest.mark.asyncio
async def test_chunks_for_the_next_line_are_evaluated_while_this_one_is_typed(bench: Bench) -> None:
    await asked_above(bench)
    bench.scheduler.changed("a", typing(BEGUN))
    await bench.idle()
    (warmed,) = bench.engine.warmed
    assert warmed.endswith(BEGUN)
    bench.scheduler.changed("a", typing(BEGUN + "ut"))
    await bench.idle()
    assert len(bench.engine.warmed) == 1, "once a line"
    assert await bench.scheduler.complete("a", typing(NEXT))
    assert holds(bench.engine.shown[-1])


@pytest.mark.asyncio
async def test_what_is_evaluated_for_the_next_line_makes_way_and_goes_on(bench: Bench) -> None:
    await asked_above(bench)
    bench.engine.hold()
    bench.scheduler.changed("a", typing(BEGUN))
    request = bench.ask(typing(BEGUN))
    await bench.until(lambda: bench.phase is Phase.REQUESTED)
    bench.engine.step(3)
    assert await request
    assert not holds(bench.engine.shown[-1]), "nobody waits for better chunks"
    bench.engine.free()
    await bench.until(lambda: bool(bench.engine.warmed))
    await bench.idle()
    assert await bench.scheduler.complete("a", typing(NEXT))
    assert holds(bench.engine.shown[-1])


@pytest.mark.asyncio
async def test_who_has_gone_elsewhere_keeps_the_prompt_of_that_place(bench: Bench) -> None:
    await asked_above(bench)
    bench.engine.hold()
    bench.scheduler.changed("a", typing(BEGUN))
    elsewhere = Snapshot("r", "a.py", typing(BEGUN).text, len(LIKE) - 1)
    request = bench.ask(elsewhere)
    bench.engine.step(40)
    assert await request
    bench.engine.free()
    await bench.until(lambda: bool(bench.engine.warmed))
    await bench.idle()
    assert bench.scheduler._prompts["a"].chosen_at == 2


@pytest.mark.asyncio
async def test_with_one_sequence_nothing_is_evaluated_for_the_next_line(bench: Bench) -> None:
    bench.scheduler = Scheduler(bench.engine, bench.worker, CompletionPolicy(block=0))
    await asked_above(bench)
    bench.scheduler.changed("a", typing(BEGUN))
    await bench.idle()
    assert bench.engine.warmed == []
