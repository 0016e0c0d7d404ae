"""One search for what training hides and serving withholds. Its kinds are in support/canaries, over
which the tests of both go: training/corpus/test_redaction, completion/postprocess/test_filters.
"""

import importlib
import pkgutil
from itertools import pairwise

import detect_secrets.plugins
import pytest
from detect_secrets.plugins.base import BasePlugin

from budgetai_core.repository.secrets import Secret, find
from support.canaries import CANARIES

# E-mail addresses are personal, but no secrets.
KINDS = sorted(kind for kind in CANARIES if not kind.startswith("e-mail"))
# Public addresses look like versions; the two of base64 and hex are one here.
NOT_OURS = {"BasePlugin", "IPPublicDetector", "RegexBasedDetector", "HighEntropyStringsPlugin"}


def plugins() -> dict[str, BasePlugin]:
    """Everything that detect-secrets looks for."""
    folder = detect_secrets.plugins
    modules = [
        importlib.import_module(f"{folder.__name__}.{module.name}")
        for module in pkgutil.iter_modules(folder.__path__)
    ]
    kinds = {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, BasePlugin)
    }
    return {name: kind() for name, kind in kinds.items() if name not in NOT_OURS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_is_found_where_it_stands(kind: str) -> None:
    code, secret = CANARIES[kind]
    text = f"import x\n\n{code.format(secret)}\ny = 1\n"
    start = text.index(secret)
    found = find(text)
    assert any(s.start < start + len(secret) and s.end > start for s in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_is_found_in_a_text_that_ends_with_it(kind: str) -> None:
    code, secret = CANARIES[kind]
    text = code.format(secret)
    cut = text[: text.index(secret) + len(secret)]
    # These two are told by what follows.
    assert find(cut) or kind in ("basic auth", "password compared")


def test_the_table_has_every_kind_that_detect_secrets_knows() -> None:
    """So there is no plugin that finds what we do not look for."""
    lines = {
        kind: f"{code.format(secret)}".split("\n") for kind, (code, secret) in CANARIES.items()
    }
    silent = [
        name
        for name, plugin in plugins().items()
        if not any(plugin.analyze_line("m.py", line, 1) for kind in KINDS for line in lines[kind])
    ]
    assert len(plugins()) > 20
    assert not silent


def test_a_secret_given_away_once_is_found_everywhere() -> None:
    secret = CANARIES["api key"][1]
    text = f'api_key = "{secret}"\n# rotate {secret} in May\n'
    places = [text.index(secret), text.rindex(secret)]
    assert find(text) == [Secret("token", at, at + len(secret)) for at in places]
