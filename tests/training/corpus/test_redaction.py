"""Secrets of many kinds, planted in code: none is left, the code still parses, and ordinary code
stays as it is."""

import ast
from pathlib import Path

import pytest

from budgetai_training.cli import main
from budgetai_training.corpus import load as corpus
from budgetai_training.corpus.redaction import redact
from budgetai_training.options import TrainOptions
from budgetai_training.samples.epoch import epoch
from support.canaries import BODY, CANARIES, KEY_LINES, pem


@pytest.mark.parametrize("kind", CANARIES)
def test_a_canary_is_hidden_and_the_code_parses(kind: str) -> None:
    code, secret = CANARIES[kind]
    text = f"import x\n\n{code.format(secret)}\ny = 1\n"
    ast.parse(text)
    hidden, counts = redact(text)
    for piece in (secret, *(line for line in secret.split("\n") if "-----" not in line)):
        assert piece not in hidden
    assert "<SECRET:" in hidden or "<EMAIL>" in hidden
    assert hidden.startswith("import x\n\n") and hidden.endswith("y = 1\n")
    ast.parse(hidden)
    assert sum(counts.values()) >= 1
    assert secret not in str(counts)
    assert redact(hidden) == (hidden, {})


def test_no_canary_comes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them in one repository: not in a sample, a decision, corpus.jsonl or the table."""
    root = tmp_path / "repo"
    root.mkdir()
    for number, (code, secret) in enumerate(CANARIES.values()):
        own = "".join(f"def f{number}_{n}(a):\n    return a * {n}\n\n" for n in range(9))
        (root / f"m{number}.py").write_text(f"{own}\n{code.format(secret)}\n")
    (root / "made_pb2.py").write_text(f"x = {BODY!r}\n")
    learned = corpus.read(TrainOptions(repo=root))
    assert len(learned.train) + len(learned.held_out) == len(CANARIES)
    indexes = learned.indexes()
    outputs = [str(epoch(files, indexes, "0")) for files in (learned.train, learned.held_out)]
    file = tmp_path / "corpus.jsonl"
    for more in ((), ("--json",)):
        assert main(["--repo", str(root), "--dry-run", "--corpus", str(file), *more]) == 0
        outputs.append("".join(capsys.readouterr()))
    outputs += [str(learned), file.read_text()]
    for _, secret in CANARIES.values():
        for line in (line for line in secret.split("\n") if "-----" not in line):
            assert not [text for text in outputs if line in text]


def test_keys_in_pieces() -> None:
    """A private key as a list of lines, with escapes, in a comment, and without its end."""
    lines = pem("PRIVATE KEY").split("\n")
    for text in (
        "k = [\n" + "".join(f'    "{line}",\n' for line in lines) + "]\n",
        'k = "' + "\\n".join(lines) + '\\n"\n',
        "".join(f"# {line}\n" for line in lines) + "x = 1\n",
        "k = (\n" + "".join(f'    "{line}\\n"\n' for line in lines) + ")\n",
        'k = """' + "\n".join(lines[:-1]) + '"""\n',
    ):
        ast.parse(text)
        hidden, counts = redact(text)
        assert counts["private-key"] == 1
        assert not [line for line in KEY_LINES if line in hidden], hidden
        ast.parse(hidden)


@pytest.mark.parametrize(
    "code",
    [
        "define('DB_PASSWORD', '{}');",
        'let password: &str = "{}";',
        'password := "{}"',
        'val password: String = "{}"',
        '{{"password" : "{}"}}',
    ],
)
def test_passwords_of_other_languages(code: str) -> None:
    hidden, counts = redact(code.format("Tr0ub4dor&3"))
    assert hidden == code.format("<SECRET:password>")
    assert counts == {"password": 1}


def test_a_secret_stands_nowhere_else_in_the_file() -> None:
    secret = "8f14e45fceea167a5a36dedd4bea2543"
    hidden, counts = redact(f'api_key = "{secret}"\n# rotate {secret} in May\nuse({secret!r})\n')
    assert secret not in hidden
    assert sum(counts.values()) == 3


ORDINARY = """\
from x import password_hash, get_token
password = os.environ["DB_PASSWORD"]
secret_key = settings.SECRET_KEY
token: str = "access_token"
grant_type = "password"
parser.add_argument("--password", help="Password of the user", default="")
if password == "": raise ValueError("password is required")
headers = {"Authorization": f"Bearer {token}", "X-Api-Key": key}
api_key = "YOUR_API_KEY"
url = f"https://{user}:{password}@{host}/{path}"
site = "https://docs.python.org/3/library/re.html?highlight=token#re.Match"
clone = "git@github.com:owner/repository.git"
sha = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
uuid = "123e4567-e89b-12d3-a456-426614174000"
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
name = "some_quite_long_identifier_with_many_words_v2"
y = x @ weights.to(device)
key = "user_settings_page_title"
tokenizers = {"layout": ("LayoutLMv3Tokenizer", "Data2VecTextModelFast")}
model_id = "HuggingFaceTB/SmolLM2-135M-Instruct"
@app.route("/login")
def check_token(token: str, max_tokens: int = 4096) -> None: ...
tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen2.5-Coder-0.5B-Instruct")
assert key == "Content-Type" and password_field["type"] == "string"
fields = ["username", "password", "email", "language"]
digest = hash_password("password", "sha256")
body = {"password": "password", "secret": secrets[name]}
loss = inputs @ self.weights.T + x@y.view
BYPASS_LABEL = "bypass-issue-check"
compass = "north-by-2"
key = b"0123456789abcdef0123456789abcdef"
picture = "data:image/png;base64,zBUzISc/YXASLzGGXtl+AP4GX7b1xOBfdJ88wtms0RJ6rGEQNUerq/zBPy+1vtOi4V"
node = gsk_gpu_render_pass_op_3d_begin_with_texture_and_more
"""


def test_ordinary_code_stays_as_it_is() -> None:
    assert redact(ORDINARY) == (ORDINARY, {})


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "token" * 60_000,
        "key" + " " * 100_000 + "x",
        "PASSWORD=\n" + "\n" * 100_000,
        "-eyJ" * 20_000,
        "-----BEGIN PRIVATE KEY-----\n" + "+" * 100_000,
        "-----BEGIN RSA PRIVATE KEY-----\n" * 8_000,
        "://" + "a:" * 50_000,
        ("password" + "'" * 1_500 + "\n") * 100,
        "password = '" + "_" * 1_500 + "!'\n",
        "a@" * 60_000,
        "xoxb-" + "1-" * 60_000,
        "aws key '" * 30_000,
        "PuTTY-User-Key-File-2: " * 20_000,
        "".join(f"token = '{n:05x}aB1cD2eF3gH4'\n" for n in range(20_000)),
        "".join(f"'{n:x}aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0' " for n in range(5_000)),
    ],
)
def test_no_text_takes_us_long(text: str) -> None:
    """Patterns that go back and forth would need minutes here, or years."""
    assert len(redact(text)[0]) <= len(text) + 20
