"""What nobody wants to see, and where an answer that was not decoded to its end is cut."""

import pytest

from budgetai_core.context.languages import LANGUAGES
from budgetai_core.repository.secrets import looks_secret
from budgetai_server.completion.postprocess import (
    CursorContext,
    is_degenerate,
    postprocess,
    to_last_word,
)
from support.canaries import CANARIES

# E-mail addresses are hidden from the training, but are not secret to their owner.
KINDS = sorted(kind for kind in CANARIES if not kind.startswith("e-mail"))

ORDINARY = """\
from x import password_hash, get_token
password = os.environ["DB_PASSWORD"]
secret_key = settings.SECRET_KEY
token: str = "access_token"
parser.add_argument("--password", help="Password of the user", default="")
if password == "": raise ValueError("password is required")
headers = {"Authorization": f"Bearer {token}", "X-Api-Key": key}
api_key = "YOUR_API_KEY"
url = f"https://{user}:{password}@{host}/{path}"
sha = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
uuid = "123e4567-e89b-12d3-a456-426614174000"
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
name = "some_quite_long_identifier_with_many_words_v2"
model_id = "HuggingFaceTB/SmolLM2-135M-Instruct"
def check_token(token: str, max_tokens: int = 4096) -> None: ...
tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen2.5-Coder-0.5B-Instruct")
assert key == "Content-Type" and password_field["type"] == "string"
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_never_shown_wherever_the_cursor_is(kind: str) -> None:
    code, secret = CANARIES[kind]
    text = code.format(secret)
    assert looks_secret("", text)
    value = text.index(secret)
    assert looks_secret(text[:value], text[value:])
    assert looks_secret(text[: value - 1], text[value - 1 :])


def test_a_secret_that_stands_there_already_is_no_reason_to_be_silent() -> None:
    code, secret = CANARIES["aws id"]
    assert not looks_secret(code.format(secret), "  # for tests")


@pytest.mark.parametrize("line", ORDINARY.splitlines())
def test_ordinary_code_is_shown(line: str) -> None:
    assert not looks_secret("", line)


def test_an_answer_that_goes_round_in_circles_wanders() -> None:
    assert is_degenerate("", "x = compute(1)\nx = compute(1)\nx = compute(1)\n")
    assert not is_degenerate("", "a = compute(1)\nb = compute(2)\nc = compute(3)\n")
    assert not is_degenerate("", "# " + "-" * 23)


def test_an_answer_that_has_come_to_the_text_below_wanders() -> None:
    after = "\n\n    total = 0\n"
    assert is_degenerate(after, "x = 1\n    total = 0\n")
    assert not is_degenerate(after, "x = 1\n    total = 0")
    assert not is_degenerate(after, "total = 0\n")
    assert not is_degenerate("\n", "x = 1\n\n")


def test_an_undecided_answer_is_cut_where_it_reads_well() -> None:
    assert to_last_word("call(value, oth") == "call(value, "
    assert to_last_word("first = 1\n    secon") == "first = 1"
    assert to_last_word("name") == "name"


def test_lines_alone() -> None:
    context = CursorContext("def f():", "", None)
    result = postprocess(context, "\n    a = 1\n    return a\n", whole=False, block=False)
    assert result and result.text == "\n    a = 1"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["(", "[{", "'", '"""', "`", "/*", " \t", "ab", "\\", "\n", "#", "''' "]
)
def test_no_text_takes_us_long(piece: str) -> None:
    """Patterns that go back and forth would need minutes here, or years."""
    for language in LANGUAGES[::3]:
        context = CursorContext(piece * 2000, "\n" + piece * 2000, language)
        assert postprocess(context, piece * 6000, whole=True) is not None
