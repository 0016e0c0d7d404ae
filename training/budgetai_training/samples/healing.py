"""Token healing with the trainer's tokenizer, by the server's own rules."""

from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

from budgetai_core.models.token_healing import Vocabulary

_BYTES = {character: byte for byte, character in bytes_to_unicode().items()}


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """Return the bytes of every token; added tokens, markers among them, have none."""
    pieces = [b""] * len(tokenizer)
    byte_level = "ByteLevel" in repr(tokenizer.backend_tokenizer.decoder)
    added = tokenizer.added_tokens_decoder
    for text, token in tokenizer.get_vocab().items():
        if token < len(pieces) and token not in added:
            pieces[token] = _byte_level(text) if byte_level else _plain(text)
    return Vocabulary(pieces)


def _byte_level(text: str) -> bytes:
    """Read bytes in GPT-2's way: each byte is a printable character."""
    return bytes(_BYTES[character] for character in text if character in _BYTES)


def _plain(text: str) -> bytes:
    """Read bytes in Sentencepiece's way: a mark in place of a space, and names for single bytes."""
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.replace("▁", " ").encode()


def answer_text(vocabulary: Vocabulary, ids: list[int], taken: bytes) -> str:
    """Return what tokens say behind the bytes that were taken back from the prompt."""
    whole = b"".join(vocabulary.pieces[i] for i in ids if i < len(vocabulary))
    return whole[len(taken) :].decode("utf-8", "replace")


def pending(vocabulary: Vocabulary, ids: list[int], taken: bytes) -> bytes:
    """Return what of the bytes taken back has still to be said."""
    return taken[sum(len(vocabulary.pieces[i]) for i in ids if i < len(vocabulary)) :]
