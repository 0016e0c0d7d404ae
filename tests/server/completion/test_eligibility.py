"""Where a completion is off: text fixtures with a cursor mark, one case a file.

The first line of a fixture says what is expected: a reason, or `on`; then options that are not as
by default, and the rest is the text, with ‸ where the cursor stands.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import LANGUAGES, language_of
from budgetai_core.options import overridden
from budgetai_server.completion.eligibility import MAX_CHARACTERS, at_place, in_document
from budgetai_server.options import ServerOptions

CASES = sorted((Path(__file__).parents[2] / "fixtures/eligibility").iterdir())
MARK = "‸"


def options(**settings: object) -> ServerOptions:
    refusal, complaints = overridden(ServerOptions(), settings)
    assert not complaints
    return refusal


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_fixtures(case: Path) -> None:
    head, _, text = case.read_text(encoding="utf-8").partition("\n")
    expected, *settings = head.split()
    before, mark, after = text.partition(MARK)
    assert mark
    assert MARK not in after
    sent = {name: value == "on" for name, _, value in (one.partition("=") for one in settings)}
    parsed = ParsedDocument.of(before + after, language_of(case.name))
    assert at_place(parsed, len(before), options(**sent)) == (
        None if expected == "on" else expected
    )


def in_file(path: str, **settings: object) -> str | None:
    uri = "file:///repository/" + path
    return in_document(uri, path, 10, options(**settings), writable=True, ignored=False)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "deploy/.env.production",
        ".ENV.local",
        "certs/server.pem",
        "a.key",
        "id_rsa",
        "keys/id_ed25519_work",
        "credentials",
        "config/credentials.json",
        "secrets.yaml",
        ".aws/credentials",
        "home/.netrc",
        ".npmrc",
        ".pypirc",
        "terraform.tfstate",
    ],
)
def test_files_of_secrets_get_none(path: str) -> None:
    assert in_file(path) == "ignored"


@pytest.mark.parametrize(
    "path",
    [
        "credentials.py",
        "src/secrets/store.go",
        "credentials/form.tsx",
        ".env.example",
        "id_rsa.pub",
        "environment.py",
        "monkey.py",
        "a.keys.ts",
    ],
)
def test_code_about_secrets_is_code(path: str) -> None:
    assert in_file(path) is None


def test_the_users_own_list() -> None:
    assert in_file("legacy/a.py", ignore=["legacy/"]) == "ignored"
    assert in_file("a.py", ignore=["legacy/"]) is None
    assert in_file("fake.pem", ignore=["!fake.pem"]) is None
    assert in_file("fake.pem", ignore=["["]) == "ignored"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///a.py", None),
        ("file:///c%3A/a.py", None),
        ("c:/a.py", None),
        ("untitled:Untitled-1", None),
        ("vscode-notebook-cell:/a.ipynb#W0", None),
        ("git:/a.py?ref=HEAD", "scheme"),
        ("output:tasks", "scheme"),
        ("vscode-scm:input", "scheme"),
        ("https://example.org/a.py", "scheme"),
    ],
)
def test_only_what_people_edit(uri: str, expected: str | None) -> None:
    refusal = in_document(uri, "a.py", 10, options(), writable=True, ignored=False)
    assert refusal == expected


def test_documents_that_are_large_read_only_or_ignored() -> None:
    def reason(size: int = 10, writable: bool = True, ignored: bool = False) -> str | None:
        return in_document(
            "file:///a.py", "a.py", size, options(),
            writable=writable, ignored=ignored,
        )  # fmt: skip

    assert reason() is None
    assert reason(size=MAX_CHARACTERS + 1) == "too_large"
    assert reason(writable=False) == "read_only"
    assert reason(ignored=True) == "ignored"


# The first text of a language loads its grammar.
@settings(deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from(list("a1 \n\t;{}()[]\"'`#/*=:<>é🎉\x00\ud800"))),
    cursor=st.integers(-2, 99),
    language=st.sampled_from([None, *LANGUAGES]),
)
def test_it_never_raises(text: str, cursor: int, language: object) -> None:
    at_place(ParsedDocument.of(text, language), cursor, options(inStrings=False, inComments=False))  # type: ignore[arg-type]
