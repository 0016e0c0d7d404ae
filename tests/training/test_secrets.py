"""Secrets of many kinds, planted in code: none is left, the code still parses, and ordinary code
stays as it is."""

import ast
from pathlib import Path

import pytest

from budgetai_training.cli import main
from budgetai_training.corpus import read as corpus
from budgetai_training.corpus.secrets import hide
from budgetai_training.options import TrainOptions
from budgetai_training.samples.passes import one_pass

# Put together from pieces, so that no scanner takes this file for a leak.
BODY = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYz"
LONG = "q7Rk2Vw9Zx4Lm8Nb3Tc6Hd1Jf5Gs0PyKuEiOa7Wq2"
KEY_LINES = ["MIIEowIBAAKCAQEAx" + LONG, LONG[::-1] + "AbC9", "Zm9vYmFy" + LONG]


def pem(kind: str) -> str:
    return "\n".join([f"-----BEGIN {kind}-----", *KEY_LINES, f"-----END {kind}-----"])


# Kind, a piece of code with {} in it, and the secret that stands there.
CANARIES: dict[str, tuple[str, str]] = {
    "aws id": ("key = '{}'", "AKI" + "AQ3EGRZ7T2YBN4K5P"),
    "aws secret": ('aws_secret_access_key = "{}"', "wJalrX9tnFEMI/K7MDENG/bPxRfiCYzb4Q8kLmVn"),
    "github": ("login('{}')", "gh" + "p_" + BODY + "1234"),
    "github fine-grained": ("# was {}", "github" + "_pat_11ABCDEFG0" + LONG),
    "gitlab": ("t = '{}'", "glp" + "at-" + BODY[:20]),
    "slack": ('SLACK = "{}"', "xo" + "xb-123456789012-1234567890123-" + BODY[:24]),
    "slack webhook": (
        'post("https://hooks.slack.com/services/{}")', "T0AB12CD3/B0EF45GH6/" + BODY[:24],
    ),
    "stripe": ("stripe.api_key = '{}'", "sk" + "_live_" + BODY[:24]),
    "google": ("maps(key='{}')", "AI" + "zaSy" + LONG[:33]),
    "openai": ("client = OpenAI('{}')", "sk" + "-proj-" + BODY + "T3Blbk" + "FJ" + BODY),
    "anthropic": ("ask('{}')", "sk" + "-ant-api03-" + LONG + "-" + BODY + "AA"),
    "json web token": (
        "h = 'Bearer {}'", "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + LONG,
    ),
    "rsa key": ('K = """{}"""', pem("RSA PRIVATE KEY")),
    "openssh key": ('K = """\n{}\n"""', pem("OPENSSH PRIVATE KEY")),
    "ec key": ("K = '''{}'''", pem("EC PRIVATE KEY")),
    "basic auth": ("get('https://deploy:{}@git.corp.net/x')", "hunter2-Zebra"),
    "database": ('DSN = "postgresql://app:{}@db.corp.net:5432/shop"', "p@ssw0rd!Long"),
    "token in a url": ("get('https://api.corp.net/v1?limit=3&access_token={}')", BODY[:24]),
    "azure": (
        "c = 'DefaultEndpointsProtocol=https;AccountKey={};Suffix=x'", (LONG + LONG)[:86] + "==",
    ),
    "npm": ("n = '{}'", "np" + "m_" + BODY + "123"),
    "pypi": ("p = '{}'", "py" + "pi-AgEIcHlwaS5vcmc" + LONG + BODY),
    "sendgrid": ("s = '{}'", "S" + "G." + BODY[:22] + "." + LONG + "1"),
    "twilio": ("sid = '{}'", "A" + "C0123f5678d9ab4def0a2c4567b9abcd6f"),
    "telegram": ("bot('{}')", "110201543:A" + "A" + LONG[:33]),
    "password": ('password = "{}"', "Tr0ub4dor&3"),
    "password in words": ("db.connect(user='app', passwd='{}')", "swordfish"),
    "password in a dictionary": ("cfg = {{'db_password': '{}'}}", "letmein42x"),
    "password of words": ('PASSWORD = "MySecretPass123"', "MySecretPass123"),
    "odd password": ('pwd = "x(1]secret!"', "x(1]secret!"),
    "bearer": ("h = {{'Authorization': 'Bearer {}'}}", LONG),
    "api key": ('API_KEY = "{}"', "8f14e45fceea167a5a36dedd4bea2543"),
    "hugging face": ("hub('{}')", "hf" + "_" + BODY + "q"),
    "nameless": ("load('{}')", LONG + "+/9z" + BODY[:20]),
    "e-mail": ("# ask {}", "jane.doe" + "@" + "corp-mail.com"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CANARIES)
def test_a_canary_is_hidden_and_the_code_parses(kind: str) -> None:
    code, secret = CANARIES[kind]
    text = f"import x\n\n{code.format(secret)}\ny = 1\n"
    ast.parse(text)
    hidden, counts = hide(text)
    for piece in (secret, *(line for line in secret.split("\n") if "-----" not in line)):
        assert piece not in hidden
    assert "<SECRET:" in hidden or "<EMAIL>" in hidden
    assert hidden.startswith("import x\n\n") and hidden.endswith("y = 1\n")
    ast.parse(hidden)
    assert sum(counts.values()) >= 1
    assert secret not in str(counts)
    assert hide(hidden) == (hidden, {})


def test_no_canary_comes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them in one repository: not in a sample, a decision, corpus.jsonl or the table."""
    root = tmp_path / "repo"
    root.mkdir()
    for number, (code, secret) in enumerate(CANARIES.values()):
        own = "".join(f"def f{number}_{n}(a):\n    return a * {n}\n\n" for n in range(9))
        (root / f"m{number}.py").write_text(f"{own}\n{code.format(secret)}\n")
    (root / "made_pb2.py").write_text(f"x = {BODY!r}\n")
    found = corpus.read(TrainOptions(repo=root))
    assert len(found.train) + len(found.held_out) == len(CANARIES)
    indexes = found.indexes()
    said = [str(one_pass(files, indexes, "0")) for files in (found.train, found.held_out)]
    file = tmp_path / "corpus.jsonl"
    for more in ((), ("--json",)):
        assert main(["--repo", str(root), "--dry-run", "--corpus", str(file), *more]) == 0
        said.append("".join(capsys.readouterr()))
    said += [str(found), file.read_text()]
    for _, secret in CANARIES.values():
        for line in (line for line in secret.split("\n") if "-----" not in line):
            assert not [text for text in said if line in text]


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
        hidden, counts = hide(text)
        assert counts["private-key"] == 1
        assert not [line for line in KEY_LINES if line in hidden], hidden
        ast.parse(hidden)


def test_a_secret_stands_nowhere_else_in_the_file() -> None:
    secret = "8f14e45fceea167a5a36dedd4bea2543"
    hidden, counts = hide(f'api_key = "{secret}"\n# rotate {secret} in May\nuse({secret!r})\n')
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
"""


def test_ordinary_code_stays_as_it_is() -> None:
    assert hide(ORDINARY) == (ORDINARY, {})


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
    ],
)
def test_no_text_takes_us_long(text: str) -> None:
    """Patterns that go back and forth would need minutes here, or years."""
    assert len(hide(text)[0]) <= len(text) + 20
