"""The plugin llama.vim as far as it decides what llama-server is asked, and what is shown when.

After autoload/llama.vim of ggml-org/llama.vim at commit 381730b, with its defaults: the request
with its texts, limits and samplers, the cache of answers from which typed-through offers are
shown at once, the speculative request for what follows an offer, the one job at a time with a
retry each 100 ms, and the ring buffer (ring.py).

Left out, or kinder than the plugin: it asks at every key, here it is asked at pauses alone, so that
its server is not busy with keys that are past; no suffix on the cursor's line (max_line_suffix)
and no popup menu, since the replay has none; curl's own start, some 10 ms a request. Its offers
that repeat the following lines are discarded by the plugin's simplest rule alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from buffer import Buffer
from ring import N_PREFIX, N_SUFFIX, Ring

N_PREDICT = 128
FIM_DEBOUNCE = 0.1
T_MAX_PROMPT_MS = 500
T_MAX_PREDICT_MS = 1000
# The first answer is kept short: what follows it is asked for once it is shown.
T_MAX_FIRST_MS = 250
MAX_CACHE_KEYS = 250
_SCROLLED_LINES = 3
_TYPED_CHARACTERS = 128
TIMINGS = ("prompt_n", "prompt_ms", "predicted_n", "predicted_ms", "predicted_per_second")

Post = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Local:
    """The text around the cursor, as if the lines `ahead` had been accepted [s:fim_ctx_local]."""

    def __init__(self, buffer: Buffer, ahead: list[str]) -> None:
        row, line = buffer.row, buffer.line
        above = buffer.lines[max(0, row - N_PREFIX + max(len(ahead) - 1, 0)) : row]
        self.middle = line[: buffer.column]
        if len(ahead) == 1:
            self.middle = line + ahead[0]
        elif ahead:
            above = [*above, line + ahead[0], *ahead[1:-1]]
            self.middle = ahead[-1]
        elif not line.strip():
            # A line of white space is started from its beginning.
            self.middle = ""
        self.indent = len(self.middle) - len(self.middle.lstrip())
        self.prefix = "\n".join(above) + "\n"
        self.suffix = "\n" + "\n".join(buffer.lines[row + 1 : row + 1 + N_SUFFIX]) + "\n"

    def keys(self) -> list[str]:
        """Under what an answer is kept: also for a window that has moved down a little [fim]."""
        keys, prefix = [], self.prefix
        for _ in range(_SCROLLED_LINES + 1):
            keys.append(_key(prefix + self.middle, self.suffix))
            prefix = prefix.partition("\n")[2]
            if not prefix:
                break
        return keys


class Plugin:
    """One Vim. `hint` is what it shows at the cursor, and `line` the cursor's line with it."""

    def __init__(self, post: Post, ring: Ring, *, stops_job: bool) -> None:
        self._post = post
        self._ring = ring
        self._stops_job = stops_job
        self._cache: dict[str, dict[str, Any]] = {}
        self._buffer = Buffer("", "", set())
        self._job: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._indent = 0
        self.hint: str | None = None
        self.line = ""

    def moved(self, buffer: Buffer) -> None:
        """The cursor is elsewhere: show what the cache has for it [s:on_move]."""
        self._buffer = buffer
        self._stop_timer()
        if self._stops_job and self._job:
            self._job.cancel()
            self._job = None
        self.hint = None
        self._try_hint()

    async def ask(self) -> dict[str, Any] | None:
        """Until something is shown, or known not to be. Returns the server's answer if one was
        awaited for this very position; None if the cache had something."""
        key = Local(self._buffer, []).keys()[0]
        known = key in self._cache
        self._fim([])
        while not self.hint and key not in self._cache:
            self._changed.clear()
            await self._changed.wait()
        return None if known else self._cache.get(key)

    async def idle(self) -> None:
        """Until no job runs; what the timer waits for is not sent any more."""
        self._stop_timer()
        while self._job:
            await asyncio.wait({self._job})

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _fim(self, ahead: list[str]) -> None:
        """Ask for the cursor's place, or speculatively for what follows `ahead` [llama#fim]."""
        self._stop_timer()
        if self._job:
            self._timer = asyncio.get_running_loop().call_later(FIM_DEBOUNCE, self._fim, ahead)
            return
        local = Local(self._buffer, ahead)
        keys = local.keys()
        if any(key in self._cache for key in keys):
            return
        self._indent = self._indent if ahead else local.indent
        self._ring.evict_like(self._buffer)
        limit = T_MAX_PREDICT_MS if ahead else T_MAX_FIRST_MS
        request = _request(local, self._indent, self._ring.extra(), limit)
        self._job = asyncio.create_task(self._run(request, keys))
        self._ring.asked(self._buffer)

    async def _run(self, request: dict[str, Any], keys: list[str]) -> None:
        """[s:fim_on_response], [s:fim_on_exit]"""
        response = await self._post(request)
        for key in keys:
            while len(self._cache) >= MAX_CACHE_KEYS:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = response
        if not self.hint:
            self._try_hint()
        self._job = None
        self._changed.set()

    def _try_hint(self) -> None:
        """Show a kept answer to this place, or to a place from which it was typed
        [s:fim_try_hint]."""
        local = Local(self._buffer, [])
        before = local.prefix + local.middle
        found = self._cached(_key(before, local.suffix))
        if found is None:
            found = max(self._typed_through(before, local.suffix), key=len, default=None)
        if found is None:
            return
        content = self._render(found)
        if any(line.strip() for line in content):
            self.hint = "\n".join(content)
            self._fim(content)

    def _typed_through(self, before: str, suffix: str) -> list[str]:
        rests = []
        for count in range(1, min(_TYPED_CHARACTERS, len(before)) + 1):
            content = self._cached(_key(before[:-count], suffix))
            if content and len(content) > count - 1 and content.startswith(before[-count:]):
                rests.append(content[count:])
        return [rest for rest in rests if rest]

    def _cached(self, key: str) -> str | None:
        if key not in self._cache:
            return None
        # Moved to the end: the first one is the one that goes [s:cache_get].
        self._cache[key] = self._cache.pop(key)
        return str(self._cache[key].get("content", ""))

    def _render(self, text: str) -> list[str]:
        """The lines as they are shown; sets `line` [s:fim_render]."""
        content = text.rstrip("\n").split("\n")
        line = self._buffer.line
        if not line.strip():
            lead = min(len(content[0]) - len(content[0].lstrip()), len(line))
            line, content[0] = content[0][:lead], content[0][lead:]
        self.line = line + content[0]
        following = next((line for line in self._after() if line.strip()), None)
        return [""] if len(content) == 1 and self.line == following else content

    def _after(self) -> list[str]:
        return self._buffer.lines[self._buffer.row + 1 :]


def _key(before: str, suffix: str) -> str:
    return f"{before}Î{suffix}"


def _request(
    local: Local, indent: int, extra: list[dict[str, Any]], t_max_predict_ms: int
) -> dict[str, Any]:
    """The body of a completion request; stop, n_cmpl and the samplers as by default."""
    return {
        "id_slot": 0,
        "input_prefix": local.prefix,
        "input_suffix": local.suffix,
        "input_extra": extra,
        "prompt": local.middle,
        "n_predict": N_PREDICT,
        "stop": [],
        "n_cmpl": 1,
        "n_indent": indent,
        "top_k": 40,
        "top_p": 0.90,
        "samplers": ["top_k", "top_p", "infill"],
        "stream": False,
        "cache_prompt": True,
        "t_max_prompt_ms": T_MAX_PROMPT_MS,
        "t_max_predict_ms": t_max_predict_ms,
        "response_fields": ["content", *(f"timings/{name}" for name in TIMINGS)],
    }


def warming(extra: list[dict[str, Any]]) -> dict[str, Any]:
    """The request that evaluates the ring's chunks ahead [s:ring_update]. The plugin wants no
    field of the response; the benchmark wants the token count."""
    return {
        "id_slot": 0,
        "input_prefix": "",
        "input_suffix": "",
        "input_extra": extra,
        "prompt": "",
        "n_predict": 0,
        "temperature": 0.0,
        "samplers": [],
        "stream": False,
        "cache_prompt": True,
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [f"timings/{name}" for name in TIMINGS],
    }
