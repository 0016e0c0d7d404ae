"""Does the file say what the tuned model says? llama.cpp is asked, and compared with torch.

The F16 file must agree nearly bit for bit, or something was merged, permuted or named wrongly.
The quantised file may differ, but it must not have lost the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from budgetai_convert.checks.reference import Answer
from budgetai_core.errors import CheckError
from budgetai_core.llama.scoring import Logits, ScoringModel

MAX_KLD_F16 = 0.01
"""Nats per token. Rounding to F16 costs 1e-6 to 1e-4; a wrong row order costs whole nats."""

MAX_KLD_QUANT = 2.0
"""Nats per token. Generous: 8 bits cost about 0.001, 4 bits 0.05 to 0.3, 2 bits of the smallest
models 1; a file beyond this has lost the model."""

TIE_MARGIN = 0.1
"""In logits. Where torch itself rates two tokens this close, rounding may choose either: llama.cpp
rounds activations to F16 too, and moved such distances by up to 0.04 in SmolLM2-135M."""


@dataclass(frozen=True)
class Agreement:
    """How near a file is to torch. `kld` is the mean KL divergence in nats per token, `top` the
    part of positions with the same best token; `ties` and `differing` count answer tokens that
    are another than torch's, within and beyond TIE_MARGIN."""

    kld: float
    top: float
    ties: int
    differing: int
    positions: int


def check_metadata(native: ScoringModel, architecture: str, prompt_format: int | None) -> None:
    """Raise CheckError when the file does not say what the server asks it."""
    wanted = {
        "general.architecture": architecture,
        "budgetai.prompt_format": None if prompt_format is None else str(prompt_format),
    }
    for key, value in wanted.items():
        if native.metadata(key) != value:
            raise CheckError(f"the file says {key} is {native.metadata(key)}, not {value}")


def check_tokenizer(
    native: ScoringModel, tokenize: Callable[[str], list[int]], texts: Sequence[str]
) -> None:
    """Raise CheckError for the first text that is not tokenised as `tokenize` does."""
    for text in texts:
        wanted, tokens = tokenize(text), native.tokenize(text)
        if wanted != tokens:
            place = next(
                (i for i, pair in enumerate(zip(wanted, tokens, strict=False)) if len({*pair}) > 1),
                min(len(wanted), len(tokens)),
            )
            raise CheckError(
                f"the file tokenises {text[:40]!r} otherwise than the base, from token {place} on",
                f"Base {wanted[place : place + 4]}, file {tokens[place : place + 4]}",
            )


def joined(parts: Sequence[Agreement]) -> Agreement:
    """Return the agreement over all the places of several answers."""
    positions = sum(part.positions for part in parts)
    return Agreement(
        kld=sum(part.kld * part.positions for part in parts) / positions,
        top=sum(part.top * part.positions for part in parts) / positions,
        ties=sum(part.ties for part in parts),
        differing=sum(part.differing for part in parts),
        positions=positions,
    )


def rate(answer: Answer, logits: Logits) -> Agreement:
    """Set a file's logits (rated, vocabulary) of an answer against torch's.

    A greedy answer is the one that torch would have given when torch's best token is the one that
    was said, at each of its positions. Raises CheckError for vocabularies of two sizes."""
    if answer.logits.shape[1] != logits.shape[1]:
        raise CheckError(
            f"the file has {logits.shape[1]} tokens, the base {answer.logits.shape[1]}"
        )
    wanted, best = answer.logits.argmax(1), logits.argmax(1)
    margins = np.array(_margins(answer, best))
    kld = float(np.mean([_divergence(p, q) for p, q in zip(answer.logits, logits, strict=True)]))
    return Agreement(
        kld=kld,
        top=float((wanted == best).mean()),
        ties=int(((margins > 0) & (margins <= TIE_MARGIN)).sum()),
        differing=int((margins > TIE_MARGIN).sum()),
        positions=answer.rated,
    )


def _margins(answer: Answer, best: NDArray[np.int64]) -> list[float]:
    """Return how much lower torch rates what the file says than its own best, token by token: what
    the file said one by one, and what it says now that all tokens are given."""
    margins = []
    for place in range(answer.prompt - 1, len(answer.tokens)):
        row = place - answer.first
        chosen = [int(best[row]), *answer.tokens[place + 1 : place + 2]]
        margins.append(float(answer.logits[row].max() - answer.logits[row, chosen].min()))
    return margins


def _divergence(wanted: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    """Return KL divergence of two rows of logits (vocabulary,), in nats."""
    p, q = _log_softmax(wanted), _log_softmax(logits)
    return float(np.sum(np.exp(p) * (p - q)))


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - float(logits.max())
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def check_f16(agreed: Agreement) -> None:
    """Raise CheckError when the merged file is not the tuned model."""
    if not agreed.kld <= MAX_KLD_F16:
        raise CheckError(
            f"the merged file differs from the tuned model: KL divergence {agreed.kld:.4f}, "
            f"at most {MAX_KLD_F16} allowed"
        )
    if agreed.differing:
        raise CheckError(
            f"the merged file answers otherwise than the tuned model at {agreed.differing} tokens"
        )


def check_quant(agreed: Agreement, quant: str) -> None:
    """Raise CheckError when quantising has destroyed the model."""
    if not agreed.kld <= MAX_KLD_QUANT:
        raise CheckError(
            f"{quant} destroys this model: KL divergence {agreed.kld:.2f}, "
            f"at most {MAX_KLD_QUANT} allowed",
            "Use Q8_0",
        )
