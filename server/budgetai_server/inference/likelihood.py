"""How sure a model is of a token: from logits to log-probability and entropy."""

import numpy as np
import numpy.typing as npt


def likelihood(logits: npt.NDArray[np.float32], chosen: float) -> tuple[float, float]:
    """Log-probability of the token with logit `chosen`, and entropy of the distribution, in nats.

    `logits` are those of all tokens that were allowed; the largest one is subtracted first, so
    that no exponential overflows.
    """
    shifted = logits - logits.max()
    weights = np.exp(shifted)
    total = float(weights.sum())
    expected = float(np.dot(weights, shifted)) / total
    log_total = float(np.log(total))
    return chosen - float(logits.max()) - log_total, log_total - expected
