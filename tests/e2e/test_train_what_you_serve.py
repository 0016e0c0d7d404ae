"""The one idea: for the same place, the trainer's tokens are the server's tokens."""

from pathlib import Path

import pytest

from budgetai_convert.checks.check_texts import TEXTS
from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot, build, encode
from budgetai_server.inference.local import LocalEngine as Engine
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.model import load
from budgetai_training.samples.encoding import Encoder
from budgetai_training.samples.sample import Sample
from support import tiny

OWN = Path(__file__).parents[2] / "server" / "budgetai_server"


def places() -> list[Prompt]:
    """Prompts in this project's own files, and around hard text."""
    files = [(f.name, f.read_text(encoding="utf-8")) for f in sorted(OWN.glob("*.py"))]
    index = Index(files)
    found = []
    for path, text in files:
        for cursor in range(0, len(text), 701):
            found.append(build(Snapshot("server", path, text, cursor), index))
    hard = "\n".join(TEXTS)
    found += [build(Snapshot("hard", "a.py", hard, c)) for c in range(0, len(hard), 53)]
    return found


@pytest.mark.usefixtures("unpacked_before")
@pytest.mark.parametrize("base", [EMBEDDED, "llama", "qwen2", "llama.gguf", "qwen2.gguf"])
def test_trainer_and_server_tokenise_alike(base: str, tmp_path: Path) -> None:
    if base == EMBEDDED:
        trained = served = resolve(EMBEDDED)
    else:
        folder = getattr(tiny, f"make_{base.removesuffix('.gguf')}")(tmp_path / "m")
        served = resolve(str(tiny.make_gguf(folder, tmp_path / "m.gguf")))
        trained = served if base.endswith(".gguf") else resolve(str(folder))
    encoder = Encoder(load(trained, trained.record().digest, "bf16").tokenizer)
    assert served.path is not None
    engine = Engine(served.path)
    assert engine.markers == encoder.markers
    # Healing goes by the bytes of tokens. What llama.cpp holds to be control tokens has none.
    ours, theirs = encoder.vocabulary.pieces, engine.vocabulary.pieces
    both = [(a, b) for a, b in zip(ours, theirs, strict=False) if a and b]
    assert len(both) > 0.8 * len(ours)
    assert all(a == b for a, b in both)
    for prompt in places():
        head, before = encode(prompt, engine.markers, engine.tokenize, beginning=engine.beginning)
        file = CorpusFile(prompt.repository, prompt.path, "")
        encoded = encoder.learned(Sample(file, prompt, "line", 0))["input_ids"]
        assert encoded == [*head, *before, encoder.markers.end]
    engine.close()
