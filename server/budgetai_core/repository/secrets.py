"""What secrets look like that can be told from their own text, or from the code right before them.

No pattern goes back and forth: a text may have been written to stop us.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """`expression` finds one secret, inside a line; the group `secret`, or else the longest one,
    is what has to go. `anchors`: a text without any of them has none. Where `random`, the secret
    also has to look like no word."""

    kind: str
    expression: re.Pattern[str]
    anchors: tuple[str, ...]
    random: bool = False


def _own(kind: str, expression: str, anchors: str, *, random: bool = False) -> Pattern:
    return Pattern(kind, re.compile(expression), tuple(anchors.split()), random)


_VALUE = r"[\"'](?P<secret>[^\"'\s\\]{12,})[\"']"
_KEY_BODY = r"(?:(?!-----(?:BEGIN|END))[\s\S]){0,20000}?"
_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
# A key that was cut off has no end: then its lines of base64 are taken, quoted or not.
_CUT_OFF = r"(?:(?:\\[nr]|[\s\"'+,#*/;\\])*+[A-Za-z0-9+/=]{16,}+)*+"
_KEY_HEAD = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"

PATTERNS: tuple[Pattern, ...] = (
    _own(
        "private-key",
        rf"{_KEY_HEAD}(?:{_KEY_BODY}{_END}|{_CUT_OFF})",
        "PRIVATE",
    ),
    _own(
        "private-key",
        r"PuTTY-User-Key-File-[23]:[^\n]*\n(?:[^\n]*\n){0,60}?Private-MAC: *[0-9a-f]+",
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
    _own("slack-token", r"\bx(?:ox[a-z]|app)-(?:\d-)?[\w-]{16,}", "xox xapp-"),
    _own("gitlab-token", r"\bgl(?:pat|dt|ft|soat|rt|cbt|ptt|agent|oas)-[\w-]{20,}", "gl"),
    _own("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{32,}", "_v1_"),
    _own("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "shp"),
    _own("vault-token", r"\bhv[sbr]\.[\w-]{24,}", "hvs. hvb. hvr."),
    _own("sendgrid-key", r"\bSG\.[\w-]{16,}\.[\w-]{16,}", "SG."),
    _own("telegram-token", r"\b\d{8,10}:AA[\w-]{32,34}", ":AA"),
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
