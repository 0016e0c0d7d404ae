"""A gateway whose model says one text, over a repository without files."""

from collections.abc import Iterator

import pytest

from support.gateway import SAID, Running, Scripted, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("repository")
    (root / ".git").mkdir()
    with running(Scripted(SAID), root) as gateway:
        yield gateway
