"""What the tuned model says by itself: the base in torch with the adapter merged by peft, float32.

This way shares no code with the converter's own merge; that is why a comparison means something.
torch and transformers are imported only when a function here is called.
"""

import contextlib
import gc
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetai_server.errors import BaseError

ANSWER_TOKENS = 12


@dataclass(frozen=True)
class Answer:
    """A prompt with its greedy answer. `tokens` holds both but the answer's last token; row i of
    `logits` [len(tokens), vocabulary] rates what follows tokens[: i + 1]."""

    tokens: tuple[int, ...]
    prompt: int
    logits: NDArray[np.float32]


def tokenizer(folder: Path, retyped: Sequence[str]) -> Callable[[str], list[int]]:
    """The folder's own tokenizer, treating all special tokens, and `retyped` ones, as text."""
    with _quiet():
        from tokenizers import AddedToken
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # A token that is "added" but not "special" would be found in text all the same.
    tokens = [AddedToken(text, special=True, normalized=False) for text in retyped]
    loaded.backend_tokenizer.add_special_tokens(tokens)

    def tokenize(text: str) -> list[int]:
        encoded = loaded(text, add_special_tokens=False, split_special_tokens=True)
        return list(encoded["input_ids"])

    return tokenize


def answers(
    base: Path,
    adapter: Path | None,
    prompts: Sequence[Sequence[int]],
    progress: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """The greedy answers of the merged model. Raises BaseError when torch cannot load it."""
    with _quiet():
        model = _load(base, adapter)
        progress()
        found = []
        for prompt in prompts:
            found.append(_answer(model, list(prompt)))
            progress()
        del model
        gc.collect()
    return found


def _load(base: Path, adapter: Path | None) -> Any:
    import torch
    import transformers

    where: dict[str, Any] = {"pretrained_model_name_or_path": base, "local_files_only": True}
    if base.is_file():
        where |= {"pretrained_model_name_or_path": base.parent, "gguf_file": base.name}
        # Newer versions leave weights packed where they have a kernel for it, and nothing can be
        # merged into those; older ones know no such setting, and always unpack.
        if hasattr(transformers, "GgufConfig"):
            where["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"torch cannot load the base {base.name}: {first_line}") from error
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return model.eval()


def _answer(model: Any, tokens: list[int]) -> Answer:
    """Greedy, without the sampling settings that a base may bring along."""
    import torch

    prompt, rows, cache = len(tokens), [], None
    feed = list(tokens)
    with torch.inference_mode():
        for step in range(ANSWER_TOKENS):
            out = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            rows.append(out.logits[0].float().numpy())
            feed = [int(rows[-1][-1].argmax())]
            if step + 1 < ANSWER_TOKENS:
                tokens = [*tokens, *feed]
    return Answer(tuple(tokens), prompt, np.concatenate(rows))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """transformers draws bars and writes warnings of its own; ours says what is going on."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
