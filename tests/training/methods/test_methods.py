"""What LoRA is measured against: plain fine-tuning, a bottleneck beside each MLP, a prefix."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from budgetai_core.artifacts.manifest import COMPARED
from budgetai_core.errors import OptionError
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.methods import baselines, peft_adapter
from budgetai_training.options import TrainOptions
from support import tiny

IDS = torch.arange(40)[None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_llama(tmp_path_factory.mktemp("llama"))


def base(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


@torch.no_grad()
def logits(model: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    computed_logits: torch.Tensor = model.eval()(ids, attention_mask=torch.ones_like(ids)).logits
    return computed_logits


@pytest.mark.parametrize("method", COMPARED)
def test_each_learns_is_kept_and_can_be_put_aside(
    method: str, folder: Path, tmp_path: Path
) -> None:
    """Over a base in bf16, as the trainer multiplies."""
    options = TrainOptions(method=method, rank=8)
    model = peft_adapter.attach(base(folder, torch.bfloat16), options)
    assert peft_adapter.method(model, options) == method
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.float32}
    plain = logits(base(folder, torch.bfloat16))
    optimizer = peft_adapter.optimizer(model, {"prefix": 0.2}.get(method, 0.005), options)
    losses = []
    for _ in range(8):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.train()(IDS, attention_mask=torch.ones_like(IDS), labels=IDS).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.1
    with model.disable_adapter(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(logits(model).float(), plain.float(), atol=0.2, rtol=0.05)
    model.save_pretrained(tmp_path)
    again = peft_adapter.attach(base(folder, torch.bfloat16), options)
    again.load_adapter(tmp_path, "default")
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(logits(again), logits(model))


def test_full_trains_all_but_embeddings_and_head(folder: Path) -> None:
    plain = base(folder)
    names = set(baselines.all_layers(plain))
    left = {n for n, p in plain.named_parameters() if n.rpartition(".")[0] not in names}
    assert left == {"model.embed_tokens.weight"}


def test_the_bottleneck_is_the_equation(folder: Path) -> None:
    """mlp(x) + 4 · W_up relu(W_down x), in every layer."""
    model = peft_adapter.attach(base(folder), TrainOptions(method="parallel-adapter", rank=8))
    torch.manual_seed(0)
    plain, seen = base(folder), 0
    for layer, own in zip(model.base_model.model.model.layers, plain.model.layers, strict=True):
        down, up = layer.mlp.lora_A["default"].weight, layer.mlp.lora_B["default"].weight
        torch.nn.init.normal_(up, std=0.1)
        own.mlp.register_forward_hook(
            lambda _, inputs, out, down=down, up=up: out + 4 * torch.relu(inputs[0] @ down.T) @ up.T
        )
        seen += 1
    assert seen == plain.config.num_hidden_layers
    torch.testing.assert_close(logits(model), logits(plain), atol=1e-4, rtol=1e-4)
    assert (logits(model) - logits(base(folder))).abs().max() > 0.1


def test_a_prefix_begins_as_the_text_it_is_given(folder: Path) -> None:
    """Before training it is as if the text stood in front of every prompt."""
    model = peft_adapter.attach(base(folder), TrainOptions(method="prefix", rank=6))
    text = [50, 60, 70, 80]
    baselines.begin_prefix(model, text)
    whole = torch.tensor([[*text, 50, 60, *IDS[0].tolist()]])
    torch.testing.assert_close(
        logits(model), logits(base(folder), whole)[:, 6:], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "prefix", "lora": Lora(target="mlp")}, "--lora target"),
        ({"method": "full", "load_in": "4bit"}, "4 bits"),
        ({"method": "full", "lora": Lora(dora=True)}, "--lora dora"),
        ({"method": "parallel-adapter", "continue_from": Path("x")}, "--continue-from"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(given: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        TrainOptions(**given)
    assert words in str(caught.value)
