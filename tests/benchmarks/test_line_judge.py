"""Lines answered many at a time are those that are answered one by one."""

import sys
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import build
from budgetai_core.evaluation.spans import mask_spans
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.evaluation import line_generations
from budgetai_training.model import load
from budgetai_training.samples.encoding import Encoder
from budgetai_training.samples.sample import Sample
from support import tiny

sys.path.insert(0, str(Path(__file__).parent))

import line_judge


@pytest.mark.parametrize("make", [tiny.make_llama, tiny.make_qwen2])
def test_answers_do_not_depend_on_those_beside_them(
    tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_judge, "_BATCH", 4)
    found = resolve(str(make(tmp_path / "base")))
    loaded = load(found, found.record().digest, "fp32")
    loaded.model.eval().config.use_cache = True
    encoder, index = Encoder(loaded.tokenizer), Index([("code.py", tiny.CODE)])
    spans = mask_spans([("code.py", tiny.CODE)], 7, 0)
    asked = [line_judge.asked_at(span, "demo", index, encoder) for span in spans]
    answers = line_judge.answered(loaded.model, encoder, asked)
    for span, answer in zip(spans, answers, strict=True):
        prompt = build(span.snapshot("demo"), index)
        shown = Sample(CorpusFile("demo", span.path, ""), prompt, span.kind, 0)
        alone = line_generations.written(
            loaded.model, loaded.tokenizer, encoder, shown, 40, line_generations._line_over
        )
        assert answer.partition("\n")[0] == alone.partition("\n")[0]
    assert len(set(answers)) > 1
