"""The log-probability of a token against its definition."""

import numpy as np
import pytest

from budgetai_server.inference.local import log_probability


@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0, 80.0])
def test_it_agrees_with_the_definition(scale: float) -> None:
    logits = (np.random.default_rng(0).standard_normal(5000) * scale).astype(np.float32)
    exact = logits.astype(np.float64) - logits.max()
    for token in (int(logits.argmax()), 17):
        logprob = log_probability(logits, float(logits[token]))
        assert logprob == pytest.approx(exact[token] - np.log(np.exp(exact).sum()), abs=1e-3)


def test_a_single_allowed_token_is_certain() -> None:
    assert log_probability(np.array([3.0], np.float32), 3.0) == 0.0
