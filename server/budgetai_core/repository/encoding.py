"""From a file's bytes to text, where they are text."""

import codecs
import re
import unicodedata

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLAIN = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# PEP 263, which editors follow in other languages too.
_COOKIE = re.compile(rb"^[ \t\f]*(?:#|//|/?\*).*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
# Only encodings of text: a cookie may name any codec Python has.
_NAMED = frozenset(
    """big5 cp1250 cp1251 cp1252 cp932 cp949 euc_jp euc_kr gb18030 gb2312 gbk hz iso2022_jp
    iso8859-1 iso8859-2 iso8859-5 iso8859-9 iso8859-15 koi8-r koi8-u mac-roman shift_jis
    utf-8""".split()  # noqa: SIM905
)
_MULTIBYTE = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
# Western text has its accented letters one by one; two or more side by side are another script.
_MAX_ADJACENT_LETTERS = 2
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text, with line ends as \\n, and an empty reason; or no text, and the reason."""
    text, reason = _decoded(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return (text, "") if text.strip() else ("", reason or "empty")


def _decoded(data: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding), "not UTF-8"
    if b"\0" in data:
        return "", "binary"
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return _repaired(data), "not UTF-8"


def _strictly(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeError:
        return ""
    return "" if _CONTROLS.search(text) else text


def _repaired(data: bytes) -> str:
    """Return text of an older encoding: the one it names, or Windows-1252 where that makes
    sense."""
    if encoding := _named(data):
        return _strictly(data, encoding)
    # Some characters are UTF-8: the file is, with broken ones among them.
    if _MULTIBYTE.search(data):
        return ""
    text = _strictly(data, "cp1252")
    return text if _is_western(text) else ""


def encoding(data: bytes) -> tuple[bytes, str]:
    """Return the byte order mark, if there is one, and the codec of what follows, for bytes that
    `decoded` finds to be text."""
    for mark, _ in _MARKS:
        if data.startswith(mark):
            return mark, _PLAIN[mark]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return b"", _named(data) or "cp1252"
    return b"", "utf-8"


def _named(data: bytes) -> str:
    """Return the encoding of text that a file names itself."""
    cookie = _COOKIE.search(b"\n".join(data.split(b"\n", 2)[:2]))
    return _text_codec(cookie[1].decode("ascii", "replace")) if cookie else ""


def _text_codec(name: str) -> str:
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return codec if codec in _NAMED else ""


def _is_western(text: str) -> bool:
    """Return whether every run of letters beyond ASCII is short, and few characters are odd
    signs."""
    beyond = re.findall(r"[^\x00-\x7f]+", text)
    signs = sum(
        not unicodedata.category(c).startswith(("L", "P", "Z")) for run in beyond for c in run
    )
    letters = sum(map(len, beyond))
    return max(map(len, beyond), default=0) <= _MAX_ADJACENT_LETTERS and signs <= max(
        1, letters // 4
    )
