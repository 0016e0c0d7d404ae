"""The vocabulary of a Hugging Face folder as GGUF metadata, and the marker tokens in it.

Only byte-level BPE is read. llama.cpp knows the splitting rule in front of it by a name, so the
rule in tokenizer.json must be one whose name we know; a wrong one would tokenise quietly amiss.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFValueType, TokenType

from budgetai_core.artifacts.gguf_header import Metadata, unpack
from budgetai_core.artifacts.gguf_reader import pack
from budgetai_core.context.prompt import MARKER_KEYS, Markers, find_markers
from budgetai_core.errors import BaseError

TOKENS = "tokenizer.ggml.tokens"
TYPES = "tokenizer.ggml.token_type"
MERGES = "tokenizer.ggml.merges"

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = _WORDS + r"\p{N}" + _REST
_LLAMA3 = _WORDS + r"\p{N}{1,3}" + _REST
# Each rule as a list of steps: a regular expression, the digits rule, or GPT-2's own split.
_RULES: dict[tuple[str, ...], str] = {
    (_QWEN2,): "qwen2",
    (_LLAMA3,): "llama-bpe",
    ("digits", "gpt-2"): "smollm",
    ("gpt-2",): "gpt-2",
}
# Other names that llama.cpp has for the same rules.
_SAME_RULE = {
    "deepseek-r1-qwen": "qwen2",
    "llama3": "llama-bpe",
    "llama-v3": "llama-bpe",
    "refact": "smollm",
    "starcoder": "smollm",
    "codeshell": "smollm",
    "command-r": "smollm",
    "phi-2": "gpt-2",
}
_BYTE_LEVEL = {"add_prefix_space": False, "trim_offsets": True}


@dataclass(frozen=True)
class MarkedVocabulary:
    """Metadata with the marker ids written in. `retyped` names the markers that the base treats
    as words a text may contain, and that are control tokens from here on."""

    metadata: Metadata
    markers: Markers
    retyped: tuple[str, ...]


def mark(metadata: Metadata) -> MarkedVocabulary:
    """Write the ids of the marker tokens into metadata, and make those tokens control tokens: a
    file that contains `<|fim_middle|>` as text must not be read as a marker."""
    tokens, types = unpack(metadata[TOKENS]), unpack(metadata[TYPES])
    special = {
        text: number
        for number, (text, kind) in enumerate(zip(tokens, types, strict=True))
        if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
    }
    given = {role: unpack(metadata[key]) for role, key in MARKER_KEYS.items() if key in metadata}
    markers = find_markers(special.get, given)
    marked, retyped = dict(metadata), []
    for role, key in MARKER_KEYS.items():
        number = getattr(markers, role)
        if not isinstance(number, int) or not 0 <= number < len(tokens):
            continue
        marked[key] = pack(number, GGUFValueType.UINT32)
        if types[number] != TokenType.CONTROL:
            types[number] = int(TokenType.CONTROL)
            retyped.append(tokens[number])
    if retyped:
        marked[TYPES] = pack(types, GGUFValueType.INT32)
    return MarkedVocabulary(marked, markers, tuple(retyped))


def special(metadata: Metadata) -> list[str]:
    """Return the texts of all tokens that are not found in text by merging."""
    tokens, types = unpack(metadata[TOKENS]), unpack(metadata[TYPES])
    kinds = (TokenType.CONTROL, TokenType.USER_DEFINED)
    return [text for text, kind in zip(tokens, types, strict=True) if kind in kinds]


def read_folder(folder: Path, size: int) -> Metadata:
    """Return metadata of the tokenizer in `folder`; `size` is the number of rows of the embedding.
    Raises BaseError for a tokenizer that is broken or of another kind."""
    described = _json(folder / "tokenizer.json")
    try:
        return _metadata(folder, described, size)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BaseError(f"{folder.name}/tokenizer.json is broken: {error!r}") from error


def _metadata(folder: Path, described: dict[str, Any], size: int) -> Metadata:
    model = described.get("model") or {}
    if model.get("type") != "BPE" or not _is_byte_level(described):
        raise BaseError(
            f"the tokenizer of {folder.name} is not byte-level BPE", f"Supported: {_names()}"
        )
    tokens, types = _tokens(described, model["vocab"], size, folder.name)
    merges = [_merge(merge, folder.name) for merge in model.get("merges", [])]
    metadata = {
        "tokenizer.ggml.model": pack("gpt2", GGUFValueType.STRING),
        "tokenizer.ggml.pre": pack(_rule_name(described, folder.name), GGUFValueType.STRING),
        TOKENS: pack(tokens, GGUFValueType.STRING),
        TYPES: pack(types, GGUFValueType.INT32),
        MERGES: pack(merges, GGUFValueType.STRING),
    }
    return metadata | _ends(folder, {text: number for number, text in enumerate(tokens)})


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaseError(f"the base {path.parent.name} has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise BaseError(f"{path.parent.name}/{path.name} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise BaseError(f"{path.parent.name}/{path.name} holds no object")
    return value


def _tokens(
    described: dict[str, Any], vocab: dict[str, int], size: int, name: str
) -> tuple[list[str], list[int]]:
    """Return texts and types by id. Rows of the embedding that no token uses get a name of their
    own."""
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [int(TokenType.UNUSED)] * size
    added = {token["content"]: token for token in described.get("added_tokens") or []}
    numbered = vocab | {text: token["id"] for text, token in added.items()}
    for text, number in numbered.items():
        if not 0 <= number < size:
            raise BaseError(f"the base {name} has token {number}, its embedding {size} rows")
        tokens[number] = text
        types[number] = int(_type_of(added.get(text)))
    return tokens, types


def _type_of(added: dict[str, Any] | None) -> TokenType:
    if added is None:
        return TokenType.NORMAL
    return TokenType.CONTROL if added.get("special") else TokenType.USER_DEFINED


def _merge(merge: str | list[str], name: str) -> str:
    pair = merge.split(" ") if isinstance(merge, str) else merge
    if len(pair) != 2 or any(" " in part for part in pair):
        raise BaseError(f"the tokenizer of {name} has a merge that cannot be read: {merge!r}")
    return " ".join(pair)


def _steps(part: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if part is None:
        return
    if part.get("type") == "Sequence":
        for step in part.get("pretokenizers", []):
            yield from _steps(step)
    else:
        yield part


def _is_byte_level(described: dict[str, Any]) -> bool:
    steps = list(_steps(described.get("pre_tokenizer")))
    return any(step["type"] == "ByteLevel" and not step.get("add_prefix_space") for step in steps)


def _rule_name(described: dict[str, Any], name: str) -> str:
    rule = []
    for step in _steps(described["pre_tokenizer"]):
        if step["type"] == "Split":
            rule.append(str((step.get("pattern") or {}).get("Regex")))
        elif step["type"] == "Digits" and step.get("individual_digits"):
            rule.append("digits")
        elif step["type"] == "ByteLevel":
            rule += ["gpt-2"] if step.get("use_regex", True) else []
        else:
            rule.append(step["type"])
    rule_name = _RULES.get(tuple(rule))
    if rule_name is None:
        raise BaseError(
            f"the tokenizer of {name} splits text by a rule that is not known here",
            f"Supported: {_names()}",
        )
    return rule_name


def _names() -> str:
    return ", ".join(_RULES.values())


def _ends(folder: Path, ids: dict[str, int]) -> Metadata:
    """Return which tokens begin, end and pad a text, and whether one is put in front of every
    text."""
    settings = _optional(folder / "tokenizer_config.json")
    _check_settings(settings, folder.name)
    config = _json(folder / "config.json")
    numbers = {role: _role(role, settings, config, ids) for role in ("bos", "eos", "pad", "unk")}
    named = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    metadata = {
        f"tokenizer.ggml.{named[role]}_token_id": pack(number, GGUFValueType.UINT32)
        for role, number in numbers.items()
        if number is not None
    }
    adds = _adds_beginning(folder, numbers["bos"])
    metadata["tokenizer.ggml.add_bos_token"] = pack(adds, GGUFValueType.BOOL)
    return metadata | _packed_templates(_chat_templates(folder, settings))


def _check_settings(settings: dict[str, Any], name: str) -> None:
    """Raise BaseError for a token or a length that transformers would not take."""
    length = settings.get("model_max_length")
    if not (length is None or type(length) in (int, float)):
        raise BaseError(
            f"{name}/tokenizer_config.json: model_max_length is {str(length)[:40]!r}",
            "Write a number",
        )
    for role in ("bos", "eos", "pad", "unk"):
        token = settings.get(f"{role}_token")
        text = token.get("content") if isinstance(token, dict) else token
        if not (token is None or isinstance(text, str)):
            raise BaseError(
                f"{name}/tokenizer_config.json: {role}_token is {str(token)[:40]!r}",
                "Write the text of a token",
            )


def chat_templates(folder: Path) -> dict[str, str]:
    """Return the templates of a tokenizer by their names, the usual one as `default`. Raises
    BaseError for files that cannot be read."""
    return _chat_templates(folder, _optional(folder / "tokenizer_config.json"))


def _chat_templates(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    """Return chat templates by name: transformers 5 writes files of their own, earlier versions one
    text or a list into the settings."""
    value = settings.get("chat_template")
    listed = value if isinstance(value, list) else [{"name": "default", "template": value}]
    templates = {
        str(entry.get("name")): entry["template"]
        for entry in listed
        if isinstance(entry, dict) and isinstance(entry.get("template"), str)
    }
    files = {"default": folder / "chat_template.jinja"} | {
        path.stem: path for path in sorted(folder.glob("additional_chat_templates/*.jinja"))
    }
    for name, path in files.items():
        if path.is_file():
            try:
                templates[name] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BaseError(f"{folder.name}/{path.name} cannot be read: {error}") from None
    return {name: text for name, text in templates.items() if text}


def _packed_templates(templates: dict[str, str]) -> Metadata:
    others = sorted(templates.keys() - {"default"})
    metadata = {
        "tokenizer.chat_template" + ("" if name == "default" else f".{name}"): pack(
            text, GGUFValueType.STRING
        )
        for name, text in templates.items()
    }
    if others:
        metadata["tokenizer.chat_templates"] = pack(others, GGUFValueType.STRING)
    return metadata


def described(metadata: Metadata, name: str) -> dict[str, Any]:
    """Return a model's tokenizer as a tokenizer.json has it, to split text as llama.cpp does.
    Raises BaseError for one of another kind."""
    rule_name = _known_rule(metadata, name)
    tokens, types = unpack(metadata[TOKENS]), unpack(metadata[TYPES])
    numbered = [
        (number, text, kind)
        for number, (text, kind) in enumerate(zip(tokens, types, strict=True))
        if kind != TokenType.UNUSED
    ]
    added = {TokenType.CONTROL: True, TokenType.USER_DEFINED: False}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": text, **plain, "special": added[TokenType(kind)]}
            for number, text, kind in numbered
            if kind in added
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": _splits(rule_name)},
        "post_processor": _beginning(metadata, tokens, rule_name),
        "decoder": {"type": "ByteLevel", **_BYTE_LEVEL, "use_regex": True},
        "model": {
            "type": "BPE",
            "ignore_merges": rule_name == "llama-bpe",
            "vocab": {text: number for number, text, _ in numbered},
            "merges": unpack(metadata["tokenizer.ggml.merges"]),
        },
    }


def _known_rule(metadata: Metadata, name: str) -> str:
    """Return our name of the rule by which a file's tokenizer splits text. Raises BaseError."""
    kind, told = (
        unpack(metadata[key]) if key in metadata else None
        for key in ("tokenizer.ggml.model", "tokenizer.ggml.pre")
    )
    if kind != "gpt2" or "tokenizer.ggml.merges" not in metadata:
        raise BaseError(f"the tokenizer of {name} is not byte-level BPE", f"Supported: {_names()}")
    rule_name = _SAME_RULE.get(str(told), told)
    if rule_name not in _RULES.values():
        raise BaseError(
            f"the tokenizer of {name} splits text by the rule {told}, which is not known here",
            f"Supported: {_names()}",
        )
    return str(rule_name)


def _splits(rule_name: str) -> list[dict[str, Any]]:
    """Return the steps of a rule as a tokenizer.json has them."""
    rule = next(rule for rule, name in _RULES.items() if name == rule_name)
    steps: list[dict[str, Any]] = [
        {"type": "Digits", "individual_digits": True}
        if step == "digits"
        else {"type": "Split", "pattern": {"Regex": step}, "behavior": "Isolated", "invert": False}
        for step in rule
        if step != "gpt-2"
    ]
    return [*steps, {"type": "ByteLevel", **_BYTE_LEVEL, "use_regex": "gpt-2" in rule}]


def _beginning(metadata: Metadata, tokens: list[str], rule_name: str) -> dict[str, Any]:
    """Return what puts a token in front of every text, where llama.cpp does so."""
    told, beginning = (
        unpack(metadata[key]) if key in metadata else None
        for key in ("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id")
    )
    adds = rule_name == "llama-bpe" if told is None else bool(told)
    text, other = ({"Sequence": {"id": part, "type_id": 0}} for part in "AB")
    if not adds or beginning is None or not 0 <= beginning < len(tokens):
        first, special_tokens = [], {}
    else:
        name = tokens[beginning]
        first = [{"SpecialToken": {"id": name, "type_id": 0}}]
        special_tokens = {name: {"id": name, "ids": [beginning], "tokens": [name]}}
    return {
        "type": "TemplateProcessing",
        "single": [*first, text],
        "pair": [*first, text, other],
        "special_tokens": special_tokens,
    }


def left_out(folder: Path, metadata: Metadata) -> str:
    """Return what a tokenizer in an adapter's folder has that the model's vocabulary has not, in
    words; empty where there is none, or nothing. Raises BaseError for files that cannot be read."""
    parts = []
    described = _optional(folder / "tokenizer.json")
    model, added = described.get("model"), described.get("added_tokens")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    names = [str(token.get("content")) for token in added or [] if isinstance(token, dict)]
    known = {*unpack(metadata[TOKENS])}
    new = [n for n in dict.fromkeys([*(vocab or []), *names]) if isinstance(n, str)]
    if missing := [name for name in new if name not in known]:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        parts.append(f"the tokens {', '.join(missing[:3])}{more}")
    template = chat_templates(folder).get("default")
    packed = metadata.get("tokenizer.chat_template")
    if template and template != (unpack(packed) if packed else ""):
        parts.append("its chat template")
    return " and ".join(parts)


def extends(folder: Path, metadata: Metadata) -> bool:
    """Return whether the tokenizer in an adapter's folder is the model's, or has more tokens in
    rows of the embedding that the model's leaves free."""
    described = _optional(folder / "tokenizer.json")
    known, types = unpack(metadata[TOKENS]), unpack(metadata[TYPES])
    try:
        tokens, _ = _tokens(described, described["model"]["vocab"], len(known), folder.name)
        merges = [_merge(merge, folder.name) for merge in described["model"]["merges"]]
    except (BaseError, KeyError, TypeError, AttributeError):
        return False
    return merges == unpack(metadata[MERGES]) and all(
        text == before or kind == TokenType.UNUSED
        for text, before, kind in zip(tokens, known, types, strict=True)
    )


def _optional(path: Path) -> dict[str, Any]:
    return _json(path) if path.is_file() else {}


def _role(
    role: str, settings: dict[str, Any], config: dict[str, Any], ids: dict[str, int]
) -> int | None:
    token = settings.get(f"{role}_token")
    text = token.get("content") if isinstance(token, dict) else token
    if text in ids:
        return ids[text]
    number = config.get(f"{role}_token_id")
    number = number[0] if isinstance(number, list) and number else number
    return number if isinstance(number, int) and 0 <= number < len(ids) else None


def _adds_beginning(folder: Path, beginning: int | None) -> bool:
    """Ask the tokenizer itself: its configuration says it in several places, not all in force."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        # The library has no narrower type.
        raise BaseError(f"{folder.name}/tokenizer.json is broken: {error}") from error
    ids = tokenizer.encode("a").ids
    return beginning is not None and bool(ids) and ids[0] == beginning
