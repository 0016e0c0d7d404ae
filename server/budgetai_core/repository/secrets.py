"""Secrets in a text: what training hides, and what serving withholds.

A secret is told from its own text, from the name beside it, or because letters and digits are mixed
as no name mixes them. No pattern goes back and forth: a text may have been written to stop us.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from budgetai_core.repository.credentials import HASH_NAMES, entropy, is_credential, is_random


class Secret(NamedTuple):
    """A secret of some kind: the characters from `start` to before `end`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class _Pattern:
    """`expression` finds one secret, inside a line; the group `secret`, or else all of it, is what
    has to go. `anchors`: a text without any of them has none. Where `random`, the secret also has
    to look like no word."""

    kind: str
    expression: re.Pattern[str]
    anchors: tuple[str, ...]
    random: bool = False


def _own(kind: str, expression: str, anchors: str, *, random: bool = False) -> _Pattern:
    return _Pattern(kind, re.compile(expression), tuple(anchors.split()), random)


# A string that is not closed ends with its line, or where the text was cut off.
_VALUE = r"[\"'](?P<secret>[^\"'\s\\]{12,})(?:[\"']|(?=\n)|\Z)"
_KEY_BODY = r"(?:(?!-----(?:BEGIN|END))[\s\S]){0,20000}?"
_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
# A key that was cut off has no end: then its lines of base64 are taken, quoted or not.
_CUT_OFF = r"(?:(?:\\[nr]|[\s\"'+,#*/;\\])*+[A-Za-z0-9+/=]{16,}+)*+"
_KEY_HEAD = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"

_PATTERNS = (
    _own(
        "private-key",
        rf"{_KEY_HEAD}(?:{_KEY_BODY}{_END}|{_CUT_OFF})",
        "PRIVATE",
    ),
    _own(
        "private-key",
        r"PuTTY-User-Key-File-[23]:[^\n]{0,80}\n(?:[^\n]{0,200}\n){0,60}?Private-MAC: *[0-9a-f]+",
        "PuTTY-User-Key-File",
    ),
    _own(
        "slack-webhook",
        r"https://hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/]{20,})",
        "hooks.slack.com",
    ),
    _own(
        "url-credentials",
        r"://(?P<secret>[^\s:/?#@\"'`<>{}$%\\]*:(?:[^\s/?#\"'`<>{}$%\\]|%[0-9A-Fa-f]{2}|(?<!:)\$)+)"
        r"@(?=[\w.\[{$<%-])",
        "://",
    ),
    _own("url-credentials", r"://(?P<secret>[\w.~-]{12,})@(?=[\w.-])", "://", random=True),
    _own(
        "url-token",
        r"[?&;](?i:(?:access_?|auth_?|api_?|id_?|refresh_?)?(?:token|key|auth|secret|sig|signature"
        r"|password|passwd|pwd)|client_secret|x-amz-(?:signature|security-token))="
        r"(?P<secret>[\w\-.~+/%=]{8,})",
        "=",
        random=True,
    ),
    _own("json-web-token", r"\beyJ[\w-]{8,2000}={0,2}\.[\w-]{8,}={0,2}(?:\.[\w-]*={0,2})*", "eyJ"),
    _own("github-token", r"\bgithub_pat_\w{22,255}", "github_pat_"),
    _own("github-token", r"\bgh[pousr]_[A-Za-z0-9_]{20,255}", "ghp_ gho_ ghu_ ghs_ ghr_"),
    _own("anthropic-key", r"\bsk-ant-[\w-]{16,}", "sk-ant-"),
    _own(
        "aws-key", r"\b(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{16}", "A3T ABIA ACCA AKIA ASIA"
    ),
    _own(
        "aws-key",
        r"(?i)aws.{0,20}?(?:key|pwd|pw|pass|token).{0,20}?[\"'](?P<secret>[0-9a-z/+]{40})(?![0-9a-z/+])",
        "aws AWS Aws",
    ),
    _own("artifactory-key", r"(?<![\w.+/-])AKC[A-Za-z0-9]{10,}(?![\w.+/-])", "AKC", random=True),
    _own(
        "artifactory-key",
        r"(?<![\w.+/-])AP[\dA-F][A-Za-z0-9]{8,}(?![\w.+/-])",
        "AP",
        random=True,
    ),
    _own("discord-token", r"\b[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27}", "M N O"),
    _own("mailchimp-key", r"\b[0-9a-z]{32}-us\d{1,2}", "-us", random=True),
    _own("square-key", r"\bsq0(?:csp|atp)-[\w\\-]{22,43}", "sq0"),
    _own("twilio-key", r"\b(?:AC|SK)[a-z0-9]{32}", "AC SK", random=True),
    _own("openai-key", r"\bsk-(?:proj-|svcacct-|admin-|or-v1-)?[\w-]{20,}", "sk-", random=True),
    _own("google-api-key", r"\bAIza[\w-]{35}", "AIza"),
    _own("google-oauth", r"\b(?:GOCSPX-[\w-]{20,}|ya29\.[\w-]{20,})", "GOCSPX- ya29."),
    _own("hugging-face-token", r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}", "hf_ api_org_"),
    _own("npm-token", r"\bnpm_[A-Za-z0-9]{30,}", "npm_"),
    _own("npm-token", r":_(?:authToken|auth|password)=\s{0,8}(?P<secret>[^\s\"'${}]{8,})", ":_"),
    _own("pypi-token", r"\bpypi-[\w-]{32,}", "pypi-"),
    _own(
        "stripe-key",
        r"\b(?:(?:sk|rk|pk)_(?:live|test)|whsec)_[0-9a-zA-Z]{16,}",
        "k_live_ k_test_ whsec_",
    ),
    _own("slack-token", r"\b(?i:x(?:ox[a-z]|app))-(?:\d-)?[\w-]{16,}", "xox xapp- XOX XAPP-"),
    _own(
        "gitlab-token",
        r"\b(?:gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941)[\w-]{20,}",
        "gl GR1348941",
    ),
    _own("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{32,}", "_v1_"),
    _own("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "shp"),
    _own("vault-token", r"\bhv[sbr]\.[\w-]{24,}", "hvs. hvb. hvr."),
    _own("age-key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,60}", "AGE-SECRET-KEY-1"),
    _own("docker-token", r"\bdckr_[op]at_[\w-]{20,}", "dckr_"),
    _own("atlassian-token", r"\bAT[AC]TT3[\w-]{20,}(?:=[0-9A-F]{8})?", "ATATT3 ATCTT3"),
    _own("terraform-token", r"\b\w{14}\.atlasv1\.[\w-]{40,}", ".atlasv1."),
    _own("databricks-token", r"\bdapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    _own("grafana-token", r"\bgl(?:sa|c)_[A-Za-z0-9+/]{32,}(?:_[0-9a-f]{8})?", "glsa_ glc_"),
    _own("discord-webhook", r"/api/webhooks/\d{16,20}/(?P<secret>[\w-]{60,})", "/api/webhooks/"),
    _own("tailscale-key", r"\btskey-[a-z]{3,12}-[A-Za-z0-9-]{16,}", "tskey-"),
    _own("doppler-token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}", "dp."),
    _own("dynatrace-token", r"\bdt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}", "dt0"),
    _own(
        "service-key",
        r"\b(?:(?:gsk_|xai-|r8_|lin_api_|ntn_|NRAK-|rubygems_|pul-|ph[xc]_|sbp_|pplx-|CLOJARS_)"
        r"(?=[A-Za-z]{0,30}\d)[A-Za-z0-9]{24,}"
        r"|(?:figd_|PMAK-|sntry[su]_|sb_secret_|CFPAT-|nvapi-|tvly-|pscale_(?:tkn|pw|oauth)_"
        r"|xkeysib-|HRKU-)(?=[A-Za-z_-]{0,30}\d)[\w-]{24,})",
        "gsk_ xai- r8_ lin_api_ ntn_ NRAK- rubygems_ pul- phx_ phc_ sbp_ pplx- CLOJARS_ figd_ PMAK-"
        " sntry sb_secret_ CFPAT- nvapi- tvly- pscale_ xkeysib- HRKU-",
    ),
    _own("sendgrid-key", r"\bSG\.[\w-]{16,}\.[\w-]{16,}", "SG."),
    _own("telegram-token", r"\b\d{8,10}:AA[\w-]{32,34}", ":AA"),
    _own("telegram-token", r"\b\d{8,10}:[\w-]{35}(?!\w)", ":", random=True),
    _own(
        "azure-key",
        r"(?:AccountKey|SharedAccessKey|SharedSecret|sig)=(?P<secret>[A-Za-z0-9+/%=]{40,})",
        "Key= SharedSecret= sig=",
    ),
    _own(
        "authorization",
        r"\b(?i:bearer|basic|token)\s{1,8}(?P<secret>[A-Za-z0-9+/_.~-]{16,}={0,2})",
        "earer asic oken BEARER BASIC",
        random=True,
    ),
    _own(
        "token",
        r"(?i:token|credential|api[_-]?key|access[_-]?key|secret|auth[_-]?key)[\w-]{0,40}[\"'\])]{0,3}"
        rf"(?:\s*:\s*[\w.<>&'\[\]| ]{{1,40}})?\s*(?::=|=>|[:=(,])\s*{_VALUE}",
        "oken redential ey ecret TOKEN CREDENTIAL KEY SECRET",
        random=True,
    ),
    _own(
        "password",
        r"(?m)^[ \t]*(?:(?:export|set|ENV) )?\w{0,40}(?:PASSWORD|PASSWD|SECRET|TOKEN|KEY)\w{0,40}="
        r"(?=\S{0,80}\d)(?P<secret>[^\s\"'$`(){}\[\]<>,]{6,})(?=[ \t]|$)",
        "PASSWORD= PASSWD= SECRET= TOKEN= KEY=",
    ),
)

# A name that speaks of a password, with what stands between it and its value: an assignment, with
# the value's type or without, a comparison, a call.
_NAME = (
    r"(?i:(?<!by)(?<!com)pass(?:word|wd|phrase)?|pwd|secret|token(?!iz)|credentials?|contrase[nñ]a"
    r"|(?:api|auth|access|service|account|db|database|priv|private|client)_?key|(?:db|database|key)_?pass)"
    r"\w{0,40}[\"'\])]{0,3}\s{0,8}"
)
_STRING = r"([\"'`])(?P<secret>[^\"'`\n]{4,200})(?:\1|(?=\n)|\Z)"
# Behind a comma or a bracket a short word is something else.
_ARGUMENT = _STRING.replace("{4,200}", "{8,200}").replace(
    "(?P<secret>", r"(?P<secret>(?=[^\"'`\n]{0,200}[0-9!@#$&*^?+=])"
)
_BESIDE_NAMES = (
    re.compile(_NAME + r"(?::\s{0,4}[\w.<>&'\[\]|? ]{1,40}=|:=|=>|[!=]?={1,2}|:)\s{0,8}" + _STRING),
    re.compile(_NAME + r"[,(]\s{0,8}" + _ARGUMENT),
    re.compile(r"([\"'`])(?P<secret>[^\"'`\n]{4,200})\1\s{0,8}[!=]={1,2}\s{0,8}\w{0,40}" + _NAME),
)
_SPEAKS = re.compile(r"(?i)pass|pwd|secret|key|token|credential|contrase")
_MAX_LINE_CHARACTERS = 2_000
_MAX_SHOWN_CHARACTERS = 8_000
# A shorter value with a slash or a dash is a name or a path.
_QUOTED = re.compile(
    r"([\"'`])(?P<secret>(?:[A-Za-z0-9+/_-]{32,}|[A-Za-z0-9+]{24,31})={0,2})(?:\1|(?=\n)|\Z)"
)
# In bits per character; without the word "key" or its like, what is below is a name.
_BASE64_ENTROPY = 4.5
_HEX_ENTROPY = 3.0
_HEX = re.compile(r"[0-9a-fA-F]+")
# A shorter value that is looked for elsewhere in the text could be part of a word.
_MIN_REPEATED_CHARACTERS = 12
PLACEHOLDER = "<SECRET:"
"""What training puts in the place of a secret begins so; its kind and `>` follow."""
_PLACEHOLDER = re.compile(r"<(?:SECRET:[\w-]*|EMAIL)>?")


def find(text: str) -> list[Secret]:
    """Return the secrets of a text in their order, of which no two have a character in common.
    Whether the text is whole or was cut off inside of one makes no difference."""
    spans = _Spans()
    for detector in (_patterned, _beside_names, _by_entropy):
        for secret in detector(text):
            spans.add(secret)
    for secret in _repeated(text, spans.found):
        spans.add(secret)
    return spans.found


def looks_secret(line_before: str, text: str) -> bool:
    """Return whether a secret stands in the text, or reaches into it from the line it goes on
    with. Models learn keys by heart, and invent them; ours may have learned the placeholders too
    that its training puts in their place."""
    line = line_before[-400:]
    joined, start = (line + text)[:_MAX_SHOWN_CHARACTERS], len(line)
    if any(match.end() > start for match in _PLACEHOLDER.finditer(joined)):
        return True
    return any(secret.end > start for secret in find(joined))


def _repeated(text: str, found: list[Secret]) -> list[Secret]:
    """Return where else the secrets stand that were found: what its neighbours gave away in one
    place may stand alone in another."""
    kinds = {text[secret.start : secret.end]: secret.kind for secret in reversed(found)}
    heads: dict[str, list[str]] = {}
    for value in kinds:
        if len(value) >= _MIN_REPEATED_CHARACTERS and is_random(value):
            heads.setdefault(value[:_MIN_REPEATED_CHARACTERS], []).append(value)
    if not heads:
        return []
    # One walk for all of them: a file may hold thousands.
    return [
        Secret(kinds[value], at, at + len(value))
        for at in range(len(text) - _MIN_REPEATED_CHARACTERS + 1)
        for value in heads.get(text[at : at + _MIN_REPEATED_CHARACTERS], ())
        if text.startswith(value, at)
    ]


class _Spans:
    """Secrets in the order of their places. What overlaps an earlier find is left out."""

    def __init__(self) -> None:
        self.found: list[Secret] = []

    def add(self, secret: Secret) -> None:
        at = bisect_left(self.found, secret.start, key=lambda other: other.start)
        before, behind = self.found[max(at - 1, 0) : at], self.found[at : at + 1]
        if any(other.end > secret.start for other in before):
            return
        if not any(other.start < secret.end for other in behind):
            self.found.insert(at, secret)


def _patterned(text: str) -> Iterator[Secret]:
    for pattern in _PATTERNS:
        if not any(anchor in text for anchor in pattern.anchors):
            continue
        group = "secret" if "secret" in pattern.expression.groupindex else 0
        for match in pattern.expression.finditer(text):
            start, end = match.span(group)
            if _in_longer_word(text, start, end) or (
                pattern.random and not is_random(match[group])
            ):
                continue
            yield Secret(pattern.kind, start, end)


def _in_longer_word(text: str, start: int, end: int) -> bool:
    """Return whether a key's letters stand inside of a longer run, as in embedded pictures, or one
    of our own placeholders."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    return (before.isalnum() and text[start].isalnum() and after.isalnum()) or (
        PLACEHOLDER in text[max(0, start - 9) : end]
    )


def _beside_names(text: str) -> Iterator[Secret]:
    """Yield the passwords of lines that speak of one."""
    for start, end in _lines(text):
        line = text[start:end]
        if len(line) > _MAX_LINE_CHARACTERS or not any(quote in line for quote in "\"'`"):
            continue
        for expression in _BESIDE_NAMES:
            for match in expression.finditer(line):
                low, high = match.span("secret")
                name = line[match.start() : low] + line[high : match.end()]
                if is_credential(name, match["secret"]):
                    yield Secret("password", start + low, start + high)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each line that speaks of a secret, once."""
    end = -1
    for match in _SPEAKS.finditer(text):
        if match.start() > end:
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.end())
            end = len(text) if end < 0 else end
            yield start, end


def _by_entropy(text: str) -> Iterator[Secret]:
    """Yield quoted values that are random; commit ids, checksums and hashes are, and say so."""
    for match in _QUOTED.finditer(text):
        value, start = match["secret"], match.start()
        line = text[max(text.rfind("\n", 0, start) + 1, start - 200) : match.end()]
        if not is_random(value) or HASH_NAMES.search(line):
            continue
        if _HEX.fullmatch(value):
            is_secret = _SPEAKS.search(line) and entropy(value) > _HEX_ENTROPY
        else:
            mixed = re.search(r"[a-z]", value) and re.search(r"[A-Z]", value)
            is_secret = mixed and entropy(value) > _BASE64_ENTROPY
        if is_secret:
            yield Secret("random-key", *match.span("secret"))
