"""How sure a model is of a token: from logits to log-probability and entropy."""

import numpy as np
import numpy.typing as npt

# What is less probable than the best by e to the power of 20 adds nothing.
_NEGLIGIBLE = 20.0


def likelihood(logits: npt.NDArray[np.float32], chosen: float) -> tuple[float, float]:
    """Log-probability of the token with logit `chosen`, and entropy of the distribution, in nats.

    `logits` are those of all tokens that were allowed; the largest one is subtracted first, so
    that no exponential overflows.
    """
    top = float(logits.max())
    shifted = logits[logits > top - _NEGLIGIBLE] - top
    weights = np.exp(shifted)
    total = float(weights.sum())
    expected = float(np.dot(weights, shifted)) / total
    return chosen - top - float(np.log(total)), float(np.log(total)) - expected
