"""Requests as the plugins send them, and what each does with the answer."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.gateway import Running, Scripted, running, wait_for

BEFORE = "class Basket:\n    def __init__(self):\n        self.items = []\n\n    def total(self):\n"
AFTER = "\n\n    def clear(self):\n        self.items = []\n"
BEGUN = "        return "
SHOP = BEFORE + BEGUN + AFTER


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("repository")
    (root / ".git").mkdir()
    with running(Scripted(), root) as gateway:
        yield gateway


@pytest.fixture
def say(gateway: Running, request: pytest.FixtureRequest) -> Any:
    """Set what the model says. Each test asks about a document of its own."""

    def setter(text: str) -> str:
        gateway.engine.text = text
        return f"# {request.node.name}\n"

    return setter


def llama_vim(before: str = BEFORE, line: str = BEGUN, after: str = AFTER, **more: Any) -> Any:
    fields = ["content", "timings/prompt_n", "truncated"]
    return {
        "input_prefix": before,
        "prompt": line,
        "input_suffix": after,
        "input_extra": [],
        "n_predict": 128,
        "n_indent": len(line) - len(line.lstrip()),
        "stop": [],
        "stream": False,
        "response_fields": fields,
        **more,
    }


def llama_vscode(before: str = BEFORE, line: str = BEGUN, after: str = AFTER, **more: Any) -> Any:
    body = llama_vim(before, line, after, n_cmpl=3, **more)
    return {key: body[key] for key in body if key not in ("stop", "response_fields")}


def test_llama_vim_reads_json_by_a_pattern(gateway: Running, say: Any) -> None:
    answer = gateway.ask("/infill", llama_vim(say("sum(self.items)\n") + BEFORE))
    assert (answer.status, answer.kind) == (200, "application/json")
    assert '"content":"sum(self.items)"' in answer.text
    assert answer.body == {"content": "sum(self.items)", "truncated": False}


def test_llama_vim_warms_up_with_an_empty_request(gateway: Running) -> None:
    warm = llama_vim("", "", "", n_predict=0, samplers=[], response_fields=[""])
    before = len(gateway.engine.prompts)
    assert gateway.ask("/infill", warm).text == "{}"
    assert len(gateway.engine.prompts) == before


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("        return 1\n", "        return 1"),
        ("return 1\n", "        return 1"),
    ],
)
def test_on_a_line_of_blanks_llama_vim_gets_the_indentation_first(
    gateway: Running, say: Any, said: str, shown: str
) -> None:
    """It sends none of them, and accepts at the line's start."""
    answer = gateway.ask("/infill", llama_vim(say(said) + BEFORE, "", n_indent=0))
    assert answer.body["content"] == shown


def test_llama_vscode_wants_a_list_and_tells_its_blanks(gateway: Running, say: Any) -> None:
    answer = gateway.ask("/infill", llama_vscode(say("return 1\n") + BEFORE, "", n_indent=8))
    assert [item["content"] for item in answer.body] == ["return 1"]
    assert gateway.engine.prompts[-1].before.endswith("def total(self):\n        ")


def test_each_plugin_gets_what_it_does_not_cut_or_does(gateway: Running, say: Any) -> None:
    """llama.vim leaves what stands behind the cursor; llama.vscode cuts it from the answer's end,
    even where it stands there by chance."""
    head = say("g(1))\n")
    line, after = "        f(", ")" + AFTER
    vim = gateway.ask("/infill", llama_vim(head + BEFORE, line, after)).body["content"]
    assert vim == "g(1)"
    vscode = gateway.ask("/infill", llama_vscode(head + BEFORE, line, after)).body[0]["content"]
    assert vscode == "g(1))"
    assert vscode.removesuffix(")") == vim


def test_minuet_streams_and_nothing_of_the_suffix_comes_twice(gateway: Running, say: Any) -> None:
    head = say("um(self.items)\n\n    def clear(self):\n        self.items = []\n")
    comments = "# language: python\n# indentation: use 4 spaces for a tab\n"
    body = {"model": "tuned", "stream": True, "suffix": AFTER.rstrip("\n")}
    prompt = comments + head + BEFORE + BEGUN + "s"
    answer = gateway.ask("/v1/completions", {**body, "prompt": prompt})
    assert (answer.status, answer.kind) == (200, "text/event-stream")
    assert answer.events[-1] == "[DONE]"
    texts = [event["choices"][0]["text"] for event in answer.events[:-1]]
    assert "".join(texts) == "um(self.items)"
    assert "error" not in answer.text
    assert gateway.engine.prompts[-1].before.startswith(head)
    whole = gateway.ask("/v1/completions", {**body, "prompt": prompt, "stream": False})
    assert whole.body["choices"][0]["text"] == "um(self.items)"
    assert whole.body["id"] and whole.body["object"] == "text_completion"


def test_an_empty_sister_request_disturbs_nobody(gateway: Running, say: Any) -> None:
    body = {"prompt": say("um(self.items)\n") + BEFORE + BEGUN + "s", "suffix": AFTER}
    first = gateway.ask("/v1/completions", body)
    empty = gateway.ask("/v1/completions", b"")
    assert empty.status == 400
    assert "error" not in empty.text
    assert gateway.ask("/v1/completions", body).body["choices"] == first.body["choices"]
    assert first.body["choices"][0]["text"] == "um(self.items)"


MARKED = {
    "qwen": "<|fim_prefix|>{0}<|fim_suffix|>{1}<|fim_middle|>",
    "starcoder": "<fim_prefix>{0}<fim_suffix>{1}<fim_middle>",
    "deepseek": "<｜fim▁begin｜>{0}<｜fim▁hole｜>{1}<｜fim▁end｜>",
    "codellama": "<PRE> {0} <SUF>{1} <MID>",
    "codestral": "[SUFFIX]{1}[PREFIX]{0}",
    "suffix first": "<|fim_prefix|><|fim_suffix|>{1}<|fim_middle|>{0}",
    "with a path": "<|repo_name|>shop\n<|file_sep|>shop.py\n"
    "<|fim_prefix|>{0}<|fim_suffix|>{1}<|fim_middle|>",
}


@pytest.mark.parametrize("family", MARKED)
def test_marks_of_any_family_are_taken_apart(gateway: Running, say: Any, family: str) -> None:
    head = say("sum(self.items)\n")
    prompt = MARKED[family].format(head + BEFORE + BEGUN, AFTER)
    continued = {"prompt": prompt, "stream": True, "n_predict": 4096, "stop": ["<|endoftext|>"]}
    answer = gateway.ask("/completion", continued)
    assert answer.kind == "text/event-stream"
    assert [(event["content"], event["stop"]) for event in answer.events] == [
        ("sum(self.items)", False),
        ("", True),
    ]
    seen = gateway.engine.prompts[-1]
    assert (seen.before, seen.after) == (head + BEFORE + BEGUN, AFTER)
    assert ("shop.py" in seen.path) == (family == "with a path")
    ollama = gateway.ask("/api/generate", {"model": "x", "prompt": prompt, "raw": True})
    assert ollama.kind == "application/x-ndjson"
    assert "".join(event["response"] for event in ollama.events) == "sum(self.items)"
    assert [event["done"] for event in ollama.events] == [False, True]


def test_cmp_ai_and_zed_read_one_object_of_ollama(gateway: Running, say: Any) -> None:
    body = {"model": "qwen2.5-coder:budgetai", "stream": False, "suffix": AFTER}
    prompt = say("sum(self.items)\n") + BEFORE + BEGUN
    answer = gateway.ask("/api/generate", {**body, "prompt": prompt})
    assert answer.kind == "application/json"
    assert answer.body["response"] == "sum(self.items)"
    assert answer.body["done"] is True
    assert answer.body["created_at"]
    assert answer.body["model"] == "qwen2.5-coder:budgetai"
    # An editor that ends lets the model go.
    assert gateway.ask("/api/generate", {"model": "x", "keep_alive": 0}).events[-1]["done"]


def test_tabby_asks_at_the_path_of_openai(gateway: Running, say: Any) -> None:
    head = say("sum(self.items)\n")
    segments = {"prefix": head + BEFORE + BEGUN, "suffix": AFTER, "filepath": "lib/shop.py"}
    answer = gateway.ask("/v1/completions", {"language": "python", "segments": segments})
    assert answer.body["choices"][0]["text"] == "sum(self.items)"
    assert gateway.engine.prompts[-1].path == "lib/shop.py"


def test_stop_strings_hold(gateway: Running, say: Any) -> None:
    body = {
        "prompt": say("sum(self.items)\n") + BEFORE + BEGUN,
        "suffix": AFTER,
        "stop": [".items"],
    }
    assert gateway.ask("/v1/completions", body).body["choices"][0]["text"] == "sum(self"


@pytest.mark.parametrize("said", ["", "\n", "\n\n\n", AFTER])
def test_an_answer_without_text_says_nothing_of_an_error(
    gateway: Running, say: Any, said: str
) -> None:
    head = say(said)
    assert gateway.ask("/infill", llama_vim(head + BEFORE)).body["content"] == ""
    answers = [
        gateway.ask("/infill", llama_vscode(head + BEFORE)),
        gateway.ask("/v1/completions", {"prompt": head + BEFORE + BEGUN, "suffix": AFTER}),
        gateway.ask("/api/generate", {"prompt": head + BEFORE + BEGUN, "suffix": AFTER}),
    ]
    for answer in answers:
        assert answer.status == 200
        assert "error" not in answer.text


def test_several_lines_come_without_the_line_end_at_their_end(gateway: Running, say: Any) -> None:
    said = "if not self.items:\n            return 0\n        return sum(self.items)\n\n"
    answer = gateway.ask("/infill", llama_vim(say(said) + BEFORE, "        ", n_indent=8))
    assert not answer.body["content"].endswith("\n")
    assert answer.body["content"].startswith("if not self.items:")


def test_what_plugins_ask_at_their_start(gateway: Running) -> None:
    assert gateway.ask("/health").body == {"status": "ok"}
    assert gateway.ask("/props").body["total_slots"] == 1
    assert gateway.ask("/lora-adapters").body == []
    assert "budgetai" in [model["id"] for model in gateway.ask("/v1/models").body["data"]]
    names = [model["name"] for model in gateway.ask("/api/tags").body["models"]]
    # Zed lists a model only if it knows what its name begins with.
    assert any(name.partition(":")[0] == "qwen2.5-coder" for name in names)
    # Continue sends prompt and suffix apart only to a model with such a template.
    assert ".Suffix" in gateway.ask("/api/show", {"name": "budgetai"}).body["template"]
    assert gateway.ask("/api/version").body["version"]


STREAMS: dict[str, Callable[[Any], str]] = {
    "/v1/completions": lambda event: event["choices"][0]["text"] if event != "[DONE]" else "",
    "/completion": lambda event: event["content"],
    "/api/generate": lambda event: event["response"],
}
BLOCK = "if not self.items:\n            return 0\n        return sum(self.items)\n\n    def"


def place(path: str, head: str) -> dict[str, Any]:
    """The body of a request for a stream."""
    if path == "/completion":
        return {"prompt": MARKED["qwen"].format(head + BEFORE + "        ", AFTER), "stream": True}
    return {"prompt": head + BEFORE + "        ", "suffix": AFTER, "stream": True}


@pytest.mark.parametrize("path", STREAMS)
def test_lines_come_as_they_are_written(gateway: Running, say: Any, path: str) -> None:
    """Together they are what comes in one piece: what stands behind the block is not among it."""
    head = say(BLOCK)
    gateway.engine.gate.clear()
    lines: list[str] = []
    try:
        gateway.engine.gated_at = BLOCK.index("\n", BLOCK.index("\n") + 1) + 1
        with gateway.stream(path, place(path, head), X_Budgetai_File="shop.py") as events:
            for event in events:
                lines.append(STREAMS[path](event))
                if "".join(lines).endswith("return 0"):
                    # The model has not written the third line yet.
                    assert not gateway.engine.gate.is_set()
                    gateway.engine.gate.set()
    finally:
        gateway.engine.gate.set()
        gateway.engine.gated_at = None
    whole = "if not self.items:\n            return 0\n        return sum(self.items)"
    assert "".join(lines) == whole
    one_piece = gateway.ask(path, place(path, head) | {"stream": False}, X_Budgetai_File="shop.py")
    assert STREAMS[path](one_piece.body) == whole


def test_a_stop_string_over_two_pieces_holds(gateway: Running, say: Any) -> None:
    body = place("/v1/completions", say(BLOCK)) | {"stop": ["0\n        return sum", "?"]}
    events = gateway.ask("/v1/completions", body, X_Budgetai_File="shop.py").events
    texts = map(STREAMS["/v1/completions"], events)
    assert "".join(texts) == "if not self.items:\n            return "


def test_a_stream_ends_where_its_stop_string_stands(gateway: Running, say: Any) -> None:
    """The rest of the block need not be written."""
    head, stopped = say(BLOCK), gateway.engine.stopped
    gateway.engine.gate.clear()
    gateway.engine.gated_at = BLOCK.index("\n", BLOCK.index("\n") + 1) + 1
    try:
        body = place("/v1/completions", head) | {"stop": ["\n"]}
        events = gateway.ask("/v1/completions", body, X_Budgetai_File="shop.py").events
        wait_for(lambda: gateway.engine.stopped > stopped)
    finally:
        gateway.engine.gate.set()
        gateway.engine.gated_at = None
    assert "".join(map(STREAMS["/v1/completions"], events)) == "if not self.items:"


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_nobody_reads_ends_the_work(gateway: Running, say: Any, path: str) -> None:
    head, stopped = say(BLOCK), gateway.engine.stopped
    gateway.engine.gate.clear()
    gateway.engine.gated_at = BLOCK.index("\n") + 1
    try:
        with gateway.stream(path, place(path, head), X_Budgetai_File="shop.py") as events:
            assert STREAMS[path](next(events)) == "if not self.items:"
        wait_for(lambda: gateway.engine.stopped > stopped)
    finally:
        gateway.engine.gate.set()
        gateway.engine.gated_at = None
