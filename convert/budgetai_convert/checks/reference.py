"""What the tuned model says by itself: the base in torch with the adapter beside it, float32.

This way shares no code with the converter's own merge; that is why a comparison means something.
The answers that are rated were given by the file: one pass over a text tells whether each of its
tokens is the one that torch would have said. torch and transformers are imported only when a
function here is called.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetai_convert.model import disk_offload
from budgetai_core import malloc_trim
from budgetai_core.errors import BaseError

ANSWER_TOKENS = 12
# Places whose logits are in memory at once; the head is read anew for each of these.
_PLACES = 128


@dataclass(frozen=True)
class GreedyAnswer:
    """A prompt with a greedy answer. `tokens` holds both but the answer's last token, `prompt` is
    the number of those that were given; what follows a token is rated from the one at `first` on.
    """

    tokens: tuple[int, ...]
    prompt: int
    first: int = 0

    @property
    def rated(self) -> int:
        return len(self.tokens) - self.first


@dataclass(frozen=True, kw_only=True)
class Answer(GreedyAnswer):
    """Row i of `logits` [rated, vocabulary] rates what follows tokens[: first + i + 1]."""

    logits: NDArray[np.float32]


def tokenizer(folder: Path, retyped: Sequence[str]) -> Callable[[str], list[int]]:
    """Return the folder's own tokenizer, treating all special tokens, and `retyped` ones, as
    text. Raises BaseError where transformers cannot load it."""
    with _quiet():
        from tokenizers import AddedToken
        from transformers import AutoTokenizer

        config = disk_offload.configuration(folder)
        # Its files are read by several libraries, with errors of their own.
        try:
            loaded = AutoTokenizer.from_pretrained(folder, config=config, local_files_only=True)
        except Exception as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BaseError(
                f"transformers cannot load the tokenizer of {folder.name}: {line}",
                "See what its tokenizer_config.json and tokenizer.json say",
            ) from error
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
    generated: Sequence[GreedyAnswer],
    folder: Path,
    progress: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Return what the tuned model thinks of answers that were given elsewhere; its logits lie in
    a file in `folder`. `progress` is told of each block of the model, for short texts and for long
    ones. Raises BaseError when torch cannot load it."""
    path = folder / "answers.f32"
    with _quiet(), path.open("wb") as file:
        disk_offload.import_libraries(adapter)
        with malloc_trim.collecting_new_objects_only():
            model = _load(base, adapter, progress)
            for rows in _rated(model, generated):
                file.write(np.ascontiguousarray(rows).data)
            shape = (sum(answer.rated for answer in generated), int(model.config.vocab_size))
            del model
            malloc_trim.collect()
    parts = np.split(np.memmap(path, np.float32, "r", shape=shape), _ends(generated)[:-1])
    return [
        Answer(**vars(answer), logits=part) for answer, part in zip(generated, parts, strict=True)
    ]


def _ends(generated: Sequence[GreedyAnswer]) -> NDArray[np.int64]:
    return np.cumsum([answer.rated for answer in generated])


def _load(base: Path, adapter: Path | None, progress: Callable[[], None]) -> Any:
    try:
        return disk_offload.load(base, adapter, progress)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"torch cannot load the base {base.name}: {first_line}") from error


def _rated(model: Any, generated: Sequence[GreedyAnswer]) -> Iterator[NDArray[np.float32]]:
    """Yield logits (places, vocabulary) of all places that are rated, some at a time. Shorter texts
    are filled up at their end, where no token before looks."""
    import torch

    # Granite alone has a factor behind its head.
    scale = getattr(model.config, "logits_scaling", 1.0)
    places: dict[int, Any] = {}
    with torch.no_grad():
        for numbers in _batches(generated):
            texts = [generated[number].tokens for number in numbers]
            batch = torch.zeros((len(texts), max(map(len, texts))), dtype=torch.long)
            for row, tokens in zip(batch, texts, strict=True):
                row[: len(tokens)] = torch.tensor(tokens)
            states = model.model(batch, use_cache=False).last_hidden_state
            for row, number in zip(states, numbers, strict=True):
                answer = generated[number]
                places[number] = row[answer.first :][: answer.rated]
        for some in torch.split(torch.cat([places[n] for n in sorted(places)]), _PLACES):
            yield (model.lm_head(some) / scale).numpy()


def _batches(generated: Sequence[GreedyAnswer]) -> list[list[int]]:
    """Return the numbers of short texts and of long ones: to read all weights once more takes less
    time than to fill up the short ones."""
    longest = max(len(answer.tokens) for answer in generated)
    long = [n for n, answer in enumerate(generated) if 2 * len(answer.tokens) > longest]
    short = [n for n in range(len(generated)) if n not in long]
    return [short, long] if short else [long]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers, which draws bars and writes warnings of its own; ours says what is
    going on."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    disk_offload.finish_imports()
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
