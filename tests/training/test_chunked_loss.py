"""The loss in chunks against the loss of all logits, and its gradients."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from budgetai_training import chunked_loss
from budgetai_training.options import TrainOptions
from budgetai_training.samples.batching import collate
from support import tiny

ROWS = [
    {"input_ids": list(range(5, 205)), "labels": [-100] * 40 + list(range(45, 205))},
    {"input_ids": list(range(9, 99)), "labels": [-100] * 10 + list(range(19, 99))},
]


@pytest.fixture(params=[tiny.make_llama, tiny.make_qwen2], ids=["llama", "qwen2"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> torch.nn.Module:
    from budgetai_training.methods import peft_adapter

    base = AutoModelForCausalLM.from_pretrained(request.param(tmp_path), dtype=torch.float32)
    tuned: torch.nn.Module = peft_adapter.attach(base, TrainOptions())
    torch.manual_seed(0)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return tuned


def gradients(model: torch.nn.Module) -> torch.Tensor:
    computed = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return computed


def test_loss_and_gradients_are_those_of_all_logits(model: torch.nn.Module) -> None:
    batch = collate(ROWS)
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    labels = batch["labels"][:, 1:]
    full = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=-100
    )
    full.backward()
    wanted = gradients(model)
    with chunked_loss.headless(model) as output:
        hidden, learned = chunked_loss.hidden_at_labels(model, batch)
        computed = chunked_loss.losses(hidden, output, learned)
        computed.mean().backward()
    assert len(computed) == 160 + 80
    assert len(computed) > chunked_loss.CHUNK
    torch.testing.assert_close(computed.mean(), full)
    got = gradients(model)
    assert (got - wanted).norm() < 1e-3 * wanted.norm()
    # Each row's own weight counts.
    with chunked_loss.headless(model) as output:
        hidden, learned = chunked_loss.hidden_at_labels(model, batch)
        chunked_loss.losses(hidden, output, learned)[:160].sum().backward()
    first = gradients(model)
    single = collate(ROWS[:1])
    with chunked_loss.headless(model) as output:
        hidden, learned = chunked_loss.hidden_at_labels(model, single)
        chunked_loss.losses(hidden, output, learned).sum().backward()
    torch.testing.assert_close(first, gradients(model), rtol=1e-3, atol=1e-5)


def test_weights_stand_beside_their_labels(model: torch.nn.Module) -> None:
    """Here each label weighs what it is."""
    batch = collate([{**row, "weights": row["input_ids"]} for row in ROWS])
    with chunked_loss.headless(model):
        _, labels = chunked_loss.hidden_at_labels(model, batch)
    assert chunked_loss.weights_at_labels(batch).tolist() == labels.tolist()


def test_many_small_probabilities_enter_the_gradient_together() -> None:
    """As over a large vocabulary, where few columns weigh anything: against the whole product."""
    torch.manual_seed(0)
    weight = torch.randn(20_000, 32) * 0.3 + 0.05
    output = chunked_loss.Head(weight, weight.mean(dim=0))
    hidden = (torch.randn(50, 32) * 2).requires_grad_()
    labels = torch.randint(0, 20_000, (50,))
    full = torch.nn.functional.cross_entropy(hidden @ weight.t(), labels, reduction="sum")
    (wanted,) = torch.autograd.grad(full, hidden)
    losses = chunked_loss.losses(hidden, output, labels)
    (computed,) = torch.autograd.grad(losses.sum(), hidden)
    torch.testing.assert_close(losses.sum(), full)
    assert (computed - wanted).norm() < 0.02 * wanted.norm()
    chances = (hidden @ weight.t()).softmax(dim=1)
    assert float((chances < chunked_loss.NEGLIGIBLE).float().mean()) > 0.3


def test_the_head_comes_back(model: torch.nn.Module) -> None:
    ids = torch.arange(30)[None]
    before = model(ids).logits
    with pytest.raises(ZeroDivisionError), chunked_loss.headless(model):
        assert model(ids).logits.shape[-1] != before.shape[-1]
        raise ZeroDivisionError
    torch.testing.assert_close(model(ids).logits, before)


def test_without_labels_there_is_no_loss(model: torch.nn.Module) -> None:
    batch = collate([{"input_ids": [5, 6, 7], "labels": [-100] * 3}])
    with chunked_loss.headless(model) as output:
        hidden, labels = chunked_loss.hidden_at_labels(model, batch)
        assert chunked_loss.losses(hidden, output, labels).shape == (0,)
