"""The settings of a model that runs elsewhere: what could give a secret away is refused."""

from pathlib import Path

import pytest

from budgetai_core.errors import OptionError
from budgetai_server.inference.remote.endpoint import Endpoint, read_token

TOKEN = "s3cret-0123456789"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host", "is not an endpoint"),
        ("host:8000", "is not an endpoint"),
        ("http://host:99999999", "is not an address"),
        (f"http://user:{TOKEN}@host", "holds a password"),
        (f"https://host/?key={TOKEN}", "holds a password or a query"),
        ("http://10.0.0.7:8000", "would travel unencrypted"),
        ("http://localhost.example.com", "would travel unencrypted"),
    ],
)
def test_unsafe_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        Endpoint(url=url, token=TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://host", "http://localhost:1", "http://127.0.0.9", "http://[::1]:8080/v1"]
)
def test_safe_addresses_are_taken(url: str) -> None:
    assert TOKEN not in repr(Endpoint(url=url, token=TOKEN))


def test_a_token_file_has_one_reader(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o640)
    with pytest.raises(OptionError, match=r"others can read.*chmod 600"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file, {"BUDGETAI_TOKEN": "other"}) == TOKEN
    assert read_token(None, {"BUDGETAI_TOKEN": "other"}) == "other"
    assert read_token(None, {}) == ""
    for text, message in (("", "is empty"), ("two words", "holds no token")):
        file.write_text(text)
        with pytest.raises(OptionError, match=message):
            read_token(file)
    with pytest.raises(OptionError, match=r"cannot be read"):
        read_token(tmp_path / "none")
