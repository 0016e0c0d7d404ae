"""Bodies that are not what a path asks for: a clear 400 in each dialect, and it goes on."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from budgetai_server.gateway import dialects
from budgetai_server.gateway.request_body import BodyError, parse
from support.gateway import Running

# What each path needs, and nothing more.
NEEDED: dict[str, dict[str, Any]] = {
    "/infill": {"input_prefix": "def total(items):\n", "input_suffix": "\n", "prompt": "    r"},
    "/completion": {"prompt": "<PRE> total = <SUF>\n <MID>"},
    "/v1/completions": {"prompt": "total = ", "suffix": "\n"},
    "/api/generate": {"prompt": "total = ", "suffix": "\n", "stream": False},
}
READERS = {
    "/infill": dialects.infill,
    "/completion": dialects.llama_completion,
    "/v1/completions": dialects.openai_completion,
    "/api/generate": dialects.ollama_generate,
}
TABBY = {"language": "python", "segments": {"prefix": "total = ", "suffix": "\n"}}


@pytest.fixture(autouse=True)
def it_goes_on(gateway: Running) -> Iterator[None]:
    yield
    answer = gateway.ask("/v1/completions", NEEDED["/v1/completions"])
    assert answer.body["choices"][0]["text"] == "sum(items)"


def refused(gateway: Running, path: str, body: Any, **headers: Any) -> str:
    """Return what a 400 says."""
    answer = gateway.ask(path, body, **headers)
    assert (answer.status, answer.kind) == (400, "application/json"), answer.text
    error = answer.body["error"]
    return str(error if path.startswith("/api/") else error["message"])


@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_is_said_without_the_word_that_raises_a_message(
    gateway: Running, path: str, body: bytes
) -> None:
    """minuet-ai.nvim looks for it in what comes back for its sister requests."""
    answer = gateway.ask(path, body)
    assert answer.status == 400
    assert "the body is empty" in answer.body["message"]
    assert "error" not in answer.text


@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"prompt=x&suffix=y", "not JSON: Expecting value, line 1, column 1"),
        (b'{"prompt": "x"', "not JSON"),
        (b'{"prompt": "x",\n "stop": oops}', "line 2, column 10"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b'{"prompt": "\xe4"}', "not UTF-8 at byte 12"),
        ('{"prompt": "x"}'.encode("utf-16"), "not UTF-8"),
        (b'{"prompt": "x", "n_predict": NaN}', "NaN is no number"),
        (b'{"prompt": "x", "temperature": -Infinity}', "-Infinity is no number"),
        (b'{"n_predict": ' + b"1" * 5000 + b"}", "too long"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"prompt":' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_a_json_object(gateway: Running, path: str, body: bytes, words: str) -> None:
    assert words in refused(gateway, path, body)


@pytest.mark.parametrize("path", NEEDED)
def test_types_of_content(gateway: Running, path: str) -> None:
    """What counts is the body: plugins that call curl may name a form."""
    for kind in ("application/x-www-form-urlencoded", "text/plain; charset=latin-1", "", None):
        assert gateway.ask(path, NEEDED[path], Content_Type=kind).status == 200
    assert "Content-Encoding: gzip" in refused(gateway, path, b"\x1f\x8b", Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/infill", {}, "input_prefix is missing"),
        ("/infill", {"input_prefix": "x"}, "input_suffix is missing"),
        ("/infill", {"input_prefix": None, "input_suffix": ""}, "input_prefix is missing"),
        ("/completion", {"stream": True}, "prompt is missing"),
        ("/v1/completions", {"suffix": "x"}, "prompt is missing"),
        ("/v1/completions", {"prompt": None, "segments": None}, "prompt is missing"),
        ("/v1/completions", {"segments": {"suffix": "x"}}, "segments.prefix is missing"),
        ("/v1/completions", {"prompt": []}, "prompt is a list of 0"),
        ("/v1/completions", {"prompt": ["a", "b"]}, "prompt is a list of 2"),
        ("/v1/completions", {"prompt": [1, 2]}, "prompt is a list of 2"),
        ("/api/generate", {}, "prompt is missing"),
    ],
)
def test_what_is_missing(gateway: Running, path: str, body: Any, words: str) -> None:
    assert words in refused(gateway, path, body)


WRONG: list[tuple[str, Any]] = [
    ("prompt", 5), ("prompt", {}), ("prompt", [5]), ("prompt", True),
    ("stream", "false"), ("stream", 0), ("stop", {"a": 1}), ("stop", ["a", None]), ("model", 7),
]  # fmt: skip
WRONG_HERE: dict[str, list[tuple[str, Any]]] = {
    "/infill": [
        ("input_prefix", 5), ("input_suffix", ["x"]), ("input_extra", {}), ("input_extra", "x"),
        ("input_extra", [None]), ("input_extra", [{"filename": 5}]), ("n_predict", "many"),
        ("n_predict", True), ("n_cmpl", "3"), ("n_indent", []), ("response_fields", [1]),
    ],
    "/completion": [("n_predict", [0])],
    "/v1/completions": [
        ("suffix", {}), ("max_tokens", "0"), ("segments", "x"), ("segments", {"prefix": 5}),
        ("segments", {"prefix": "", "filepath": []}),
    ],
    "/api/generate": [("suffix", 1), ("options", []), ("options", {"stop": 3})],
}  # fmt: skip


def _wrong() -> list[tuple[str, str, Any]]:
    """Return each path with a field it reads, and a value of another type. llama-server's own
    paths read no `model`, Ollama's stop strings stand in `options`."""
    not_read = {("/infill", "model"), ("/completion", "model"), ("/api/generate", "stop")}
    alone = [
        (path, field, value)
        for path in NEEDED
        for field, value in WRONG
        if (path, field) not in not_read
    ]
    return alone + [(path, *pair) for path, pairs in WRONG_HERE.items() for pair in pairs]


@pytest.mark.parametrize(("path", "field", "value"), _wrong())
def test_what_is_read_has_to_be_of_its_type(path: str, field: str, value: Any) -> None:
    body = json.dumps(NEEDED[path] | {field: value}).encode()
    with pytest.raises(BodyError, match=rf"^{field}\b.* (not|neither)\b"):
        READERS[path](parse(body))


@pytest.mark.parametrize("path", NEEDED)
def test_a_field_that_is_null_is_as_if_it_were_not_there(path: str) -> None:
    read = {field for field, _ in WRONG + WRONG_HERE[path]} - set(NEEDED[path]) - {"segments"}
    without = READERS[path](parse(json.dumps(NEEDED[path]).encode()))
    nulls = READERS[path](parse(json.dumps(NEEDED[path] | dict.fromkeys(read)).encode()))
    assert nulls.request == without.request
    assert (nulls.stops, nulls.streams, nulls.generates) == ((), without.streams, True)


def test_odd_values_of_the_right_type_are_taken(gateway: Running) -> None:
    """Halves of characters, NUL, numbers that are none, and whatever stands in other fields."""
    odd = {"prompt": "x = '\ud800\0'\ny = ", "suffix": "\udfff\n", "logit_bias": [], "n": {}}
    assert gateway.ask("/v1/completions", odd).status == 200
    assert gateway.ask("/v1/completions", TABBY).status == 200
    chunks = [{}, {"filename": "\0"}, {"filename": "x" * 9999, "time": "?"}]
    infill = {**NEEDED["/infill"], "input_extra": chunks, "n_cmpl": 3, "prompt": ""}
    for indent in (-5, 4.0, 10**30):
        assert gateway.ask("/infill", infill | {"n_indent": indent}).status == 200
    for number in (b"1e999", b"-1e999"):
        body = json.dumps(infill | {"n_indent": 7654}).encode().replace(b"7654", number)
        assert gateway.ask("/infill", body).status == 200
    with_mark = b"\xef\xbb\xbf" + json.dumps(NEEDED["/infill"]).encode()
    assert gateway.ask("/infill", with_mark).status == 200


@pytest.mark.parametrize("name", ["%00", "%ff%fe", "x" * 5000, "//", "file://%00", "/dev/null"])
def test_names_in_headers_that_lead_nowhere(gateway: Running, name: str) -> None:
    for header in ("X_Budgetai_File", "X_Budgetai_Repository"):
        answer = gateway.ask("/v1/completions", NEEDED["/v1/completions"], **{header: name})
        assert answer.status == 200
