"""Log-probability and entropy against their definitions."""

import numpy as np
import pytest

from budgetai_server.inference.token_probability import likelihood


@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0, 80.0])
def test_it_agrees_with_the_definition(scale: float) -> None:
    logits = (np.random.default_rng(0).standard_normal(5000) * scale).astype(np.float32)
    exact = logits.astype(np.float64) - logits.max()
    p = np.exp(exact) / np.exp(exact).sum()
    entropy = -float(np.sum(p * np.log(np.maximum(p, 1e-300))))
    for token in (int(logits.argmax()), 17):
        logprob, found = likelihood(logits, float(logits[token]))
        assert logprob == pytest.approx(exact[token] - np.log(np.exp(exact).sum()), abs=1e-3)
        assert found == pytest.approx(entropy, abs=1e-3)


def test_a_single_allowed_token_is_certain() -> None:
    assert likelihood(np.array([3.0], np.float32), 3.0) == (0.0, 0.0)
