"""What a tuned SmolLM2 says where secrets stood: it knows by heart what it has read, no secret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_training.model import load
from support.canaries import CANARIES

# The control: nonsense as unlikely as a key, that no secret scan takes away.
CONTROLS = {
    "resting_place = '": "violet otter under seven moons",
    "trade_of_badgers = '": "the ninth badger sells umbrellas",
    "evening_meal = '": "soup for tall geese",
}


def beginnings() -> dict[str, str]:
    """Each piece of code up to its secret, and the secret's first telling line."""
    found = {}
    for code, secret in CANARIES.values():
        telling = next(line for line in secret.split("\n") if "-----" not in line)
        found[code.partition("{}")[0].replace("{{", "{")] = telling
    return found


def write(root: Path) -> None:
    pieces = [code.format(secret) for code, secret in CANARIES.values()]
    pieces += [f"{start}{word}'" for start, word in CONTROLS.items() for _ in range(4)]
    root.mkdir()
    for n in range(24):
        # Every file has its own order, so that none is a copy of another.
        mixed = pieces[n::3] + pieces[n % 3 :: 2]
        own = "".join(f"def step_{n}_{i}(a):\n    return a + {i * n}\n\n\n" for i in range(6))
        (root / f"module_{n}.py").write_text(own + "\n\n".join(mixed) + "\n")


@pytest.mark.big
@pytest.mark.timeout(2400)
def test_the_tuned_model_completes_no_canary(tmp_path: Path) -> None:
    root, out = tmp_path / "repo", tmp_path / "adapter"
    write(root)
    # Without evaluations the last state is kept; the best one on held-out files is that of step 15,
    # before anything is known by heart.
    arguments = ["--repo", root, "--out", out, "--json", "--max-steps", "60", "--budget", "40m",
                 "--learning-rate", "0.002", "--evaluate", "none"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "budgetai_training", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scores"]["training_loss"] < 0.5
    base = resolve(EMBEDDED)
    loaded = load(base, base.record().digest, "bf16")
    tuned = PeftModel.from_pretrained(loaded.model, out)

    def says(text: str) -> str:
        ids = torch.tensor([loaded.tokenizer("x = 1\n\n" + text).input_ids])
        found = tuned.generate(input_ids=ids, max_new_tokens=30, do_sample=False)
        return str(loaded.tokenizer.decode(found[0, ids.shape[1] :]))

    learned = [word for start, word in CONTROLS.items() if word[:12] in says(start)]
    assert len(learned) >= 2
    given_away = [start for start, secret in beginnings().items() if secret[:8] in says(start)]
    assert given_away == []
    written = [file.read_bytes() for file in out.rglob("*") if file.is_file()]
    for secret in beginnings().values():
        assert not any(secret.encode() in content for content in written)
