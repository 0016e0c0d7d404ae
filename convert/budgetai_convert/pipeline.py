"""A model in the making: merged, checked, quantised, checked again, and what was found on the way.

With a `lora` the base stays as it is, and every check is made with that adapter file laid over it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gguf import GGUFValueType

from budgetai_convert.checks import agreement, check_texts, code_probes, divergence, reference
from budgetai_convert.checks.agreement import Agreement
from budgetai_convert.checks.code_probes import Reader, Samples
from budgetai_convert.checks.divergence import Judge, Measured, Reference
from budgetai_convert.checks.reference import Answer, Said
from budgetai_convert.formats import gguf_writer
from budgetai_convert.model import merge
from budgetai_convert.model.third_party import UNKNOWN_PROMPTS
from budgetai_convert.options import AUTO
from budgetai_convert.plan import Plan
from budgetai_convert.progress_line import Begin, Task
from budgetai_convert.quantize import auto, calibration, llama_quantize
from budgetai_convert.quantize.auto import Choice
from budgetai_core.artifacts import imatrix
from budgetai_core.artifacts.atomic_write import replaced
from budgetai_core.artifacts.gguf_reader import Metadata, pack
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import CheckError, OptionError
from budgetai_core.llama.quantizer import QuantizeRecipe
from budgetai_core.llama.scoring import ScoringModel
from budgetai_core.models import vocabulary

_NEED_NO_IMATRIX = ("F16", "BF16", "Q8_0")
_FEWEST_PROBES = 4
# Each takes a second or two of torch's time, and must be answered as torch does, token by token.
_HOLES_FOR_TORCH = 8


@dataclass
class Pipeline:
    """`checks` and `notes` are for the manifest; `choice` is what auto measured."""

    job: Plan
    begin: Begin
    lora: Path | None = None
    checks: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    choice: Choice | None = None

    def make(self, target: Path) -> None:
        """Write and check the model at `target`."""
        with self._workshop(target.parent) as folder:
            merged = folder / "merged-f16.gguf"
            self._merge(merged)
            drawn = self._drawn(merged)
            f16, answers = self._checked_f16(merged, folder, drawn)
            found = f16
            if drawn and drawn.probes and self._held_in_4bit:
                self._take_better_merge(merged, drawn, folder)
            if self.job.quant == "F16":
                merged.replace(target)
            else:
                importance = self._importance(merged, drawn, folder)
                self._quantise(merged, target, importance, drawn)
                found = self._checked_quant(target, answers)
        self.checks = _checks(f16, found) | self.checks

    def fit(self, base: Path) -> None:
        """Check the adapter file over a base that is there already, quantised or not."""
        with self._workshop(base.parent) as folder:
            merged = folder / "merged-f16.gguf"
            self._merge(merged)
            drawn = self._drawn(merged)
            f16, answers = self._checked_f16(merged, folder, drawn)
            found = self._checked_quant(base, answers)
            if drawn and drawn.probes:
                self._judge(*self._compared(merged, base, drawn))
        self.checks = _checks(f16, found) | self.checks

    @contextmanager
    def _workshop(self, beside: Path) -> Iterator[Path]:
        """A folder that is cleared away, or, after a kill, swept by the next conversion."""
        prefix = f".{self.job.final.name}."
        with tempfile.TemporaryDirectory(prefix=prefix, dir=beside) as name:
            yield Path(name)

    def _merge(self, target: Path) -> None:
        weights = self.job.source.weights
        task = self.begin("Merging", gguf_writer.size_of(weights))
        values = merge.merged(self.job.source, None if self.lora else self.job.adapter)
        gguf_writer.write(target, self._metadata(), weights, values, task.add)

    @property
    def _held_in_4bit(self) -> bool:
        """Whether the adapter was trained over 4-bit weights, and is merged."""
        adapter = self.job.adapter
        return adapter is not None and adapter.manifest.load_in == "4bit" and not self.lora

    def _take_better_merge(self, merged: Path, drawn: Samples, folder: Path) -> None:
        """Merge into the weights as QLoRA held them too, and keep what has less held-out loss."""
        weights, other = self.job.source.weights, folder / "merged-4bit.gguf"
        task = self.begin("Merging into 4-bit weights", gguf_writer.size_of(weights))
        values = merge.merged(self.job.source, self.job.adapter, four_bits=True)
        gguf_writer.write(other, self._metadata(), weights, values, task.add)
        task = self.begin("Comparing the two merges", 2 * len(drawn.probes))
        plain, rounded = (divergence.loss(one, drawn.probes, task.add) for one in (merged, other))
        self.checks |= {"loss_merged_16bit": plain, "loss_merged_4bit": rounded}
        taken = "the 4-bit weights it was trained over" if rounded < plain else "16-bit weights"
        self.notes["merged_into"] = taken
        if rounded < plain:
            other.replace(merged)
        else:
            other.unlink()

    def _metadata(self) -> Metadata:
        """The base's metadata and ours: names only, no path of this machine. A model that was not
        tuned on our prompts does not say so, and a bundle's base nothing of its adapters."""
        own = {"budgetai.base": pack(self.job.base.name, GGUFValueType.STRING)}
        if self._prompt_format:
            own["budgetai.prompt_format"] = pack(self._prompt_format, GGUFValueType.UINT32)
        if self.job.adapter and not self.lora:
            trained = self.job.adapter.manifest
            repository = trained.repository.replace("\\", "/").rstrip("/").rpartition("/")[2]
            own["budgetai.repository"] = pack(repository, GGUFValueType.STRING)
            own["budgetai.task"] = pack(trained.task, GGUFValueType.STRING)
        return self.job.source.metadata | own

    @property
    def _prompt_format(self) -> int:
        """That of the adapter's prompts; 0 without one, or where they are not known. The base of a
        bundle is served with ours, whatever its adapters were trained on."""
        if self.lora:
            return PROMPT_FORMAT
        return self.job.adapter.manifest.prompt_format if self.job.adapter else UNKNOWN_PROMPTS

    def _checked_f16(
        self, merged: Path, folder: Path, drawn: Samples | None
    ) -> tuple[Agreement, list[Answer]]:
        """Compare the merged file with torch, by the answers that the file gives: to short texts,
        and at held-out places if there are any."""
        holes = drawn.probes[:_HOLES_FOR_TORCH] if drawn else ()
        count = len(check_texts.PROMPTS) + len(holes)
        task = self.begin("Checking the merge", 2 * count + self.job.source.sizes.blocks)
        adapter = self.job.adapter.folder if self.job.adapter else None
        with ScoringModel(merged, lora=self.lora) as native:
            self._check_metadata(native)
            self._check_tokenizer(native)
            texts = [native.beginning() + native.tokenize(text) for text in check_texts.PROMPTS]
            said = [_said(native, text, 0, task) for text in texts]
            said += [_said(native, o.tokens[: o.hole], o.first - 1, task) for o in holes]
            answers = reference.answers(self.job.source.path, adapter, said, folder, task.add)
            found = agreement.compare(native, answers, task.add)
        agreement.check_f16(found)
        self.checks["holes_as_torch"] = float(len(holes))
        return found, answers

    def _check_metadata(self, native: ScoringModel) -> None:
        architecture = self.job.source.sizes.architecture
        agreement.check_metadata(native, architecture, self._prompt_format or None)

    def _check_tokenizer(self, native: ScoringModel) -> None:
        """A folder's tokenizer is asked through transformers, a GGUF's through llama.cpp, about
        hard texts and every special token."""
        base, retyped = self.job.source.path, self.job.source.retyped
        names = vocabulary.special(self.job.source.metadata)
        texts = [*check_texts.TEXTS, *(f"a{name} {name}\n" for name in names)]
        self.checks["tokenizer_texts"] = float(len(texts))
        if base.is_dir():
            agreement.check_tokenizer(native, reference.tokenizer(base, retyped), texts)
            return
        texts = [text for text in texts if not any(name in text for name in retyped)]
        with ScoringModel(base, vocabulary_only=True) as own:
            agreement.check_tokenizer(native, own.tokenize, texts)

    def _drawn(self, merged: Path) -> Samples | None:
        """The repository's code as prompts. Raises OptionError if auto has nothing to judge by."""
        drawn = None
        if self.job.root is not None:
            with ScoringModel(merged, vocabulary_only=True) as native:
                markers = vocabulary.mark(self.job.source.metadata).markers
                name = self.job.root.resolve().name
                reader = Reader(name, markers, native.tokenize, tuple(native.beginning()))
                manifest = self.job.adapter.manifest if self.job.adapter else None
                drawn = code_probes.draw(self.job.root, manifest, reader)
                self.notes["judged_by"] = drawn.origin
        if self.job.adapter and not self.job.adapter.manifest.prompt_format:
            self.notes["judged_by"] = "nothing: it is not known what the adapter was trained on"
        if self.job.quant == AUTO and (drawn is None or len(drawn.probes) < _FEWEST_PROBES):
            raise OptionError(
                "--quant auto needs held-out code to measure on",
                "Name the repository with --repo, or one type with --quant",
            )
        return drawn

    def _importance(self, merged: Path, drawn: Samples | None, folder: Path) -> str:
        """The path of the importance matrix of the repository's code, or an empty text."""
        wanted = self.job.importance and (
            self.job.imatrix or self.job.quant not in _NEED_NO_IMATRIX
        )
        if not wanted or drawn is None or not drawn.texts:
            if self.job.imatrix:
                raise OptionError(f"no code to make {self.job.imatrix} from", "Name --repo")
            return ""
        task = self.begin("Reading your code", len(drawn.texts))
        importance = calibration.collect(merged, drawn.texts, task.add, self.lora)
        path = folder / "imatrix.gguf"
        imatrix.write(path, importance, "the repository's own code")
        if self.job.imatrix:
            with replaced(self.job.imatrix) as copy:
                copy.write_bytes(path.read_bytes())
        self.notes["importance"] = f"{sum(map(len, drawn.texts))} tokens of the repository"
        return str(path)

    def _quantise(self, merged: Path, target: Path, importance: str, drawn: Samples | None) -> None:
        if self.job.quant == AUTO:
            assert drawn is not None
            material = auto.AutoInputs(merged, self.lora, importance, drawn.probes)
            choice = auto.choose(material, target, self.job.limits, self.begin)
            self.choice = choice
            self._judge(choice.chosen, choice.reference)
            return
        size = llama_quantize.expected_size(merged.stat().st_size, self.job.quant)
        task = self.begin(f"Quantising to {self.job.quant}", size)
        llama_quantize.quantize(
            merged, target, QuantizeRecipe(quant=self.job.quant, imatrix=importance), task.reach
        )
        if drawn is not None and drawn.probes:
            self._judge(*self._compared(merged, target, drawn))

    def _compared(self, merged: Path, target: Path, drawn: Samples) -> tuple[Measured, Reference]:
        """The quantised file on held-out holes, and what the merged one says of them."""
        probes, lora = drawn.probes, self.lora
        task = self.begin("Completing held-out lines", 2 * len(probes))
        said = divergence.refer(merged, probes, merged.with_suffix(".reference"), task.add, lora)
        return Judge(probes, said, lora).untimed(self.job.quant, target, task.add), said

    def _judge(self, found: Measured, said: Reference) -> None:
        """Keep the numbers on held-out code. Raises CheckError for lines lost beyond chance."""
        self.checks |= {
            "held_out_kld": found.kld,
            "held_out_top_agreement": found.top,
            "held_out_exact": found.matched,
            "held_out_exact_f16": said.matched,
            "held_out_holes": float(len(found.exact)),
        }
        if not divergence.as_good(said, found):
            raise CheckError(
                f"{found.name} completes {found.matched:.0%} of {len(found.exact)} held-out lines, "
                f"16 bits {said.matched:.0%}: more than chance",
                "Use a type with more bits",
            )

    def _checked_quant(self, target: Path, answers: list[Answer]) -> Agreement:
        task = self.begin(f"Checking {self.job.quant}", len(answers))
        with ScoringModel(target, lora=self.lora) as native:
            self._check_metadata(native)
            found = agreement.compare(native, answers, task.add)
        agreement.check_quant(found, self.job.quant)
        return found


def _said(native: ScoringModel, prompt: Sequence[int], first: int, task: Task) -> Said:
    answer = native.greedy(prompt, reference.ANSWER_TOKENS - 1)
    task.add()
    return Said((*prompt, *answer), len(prompt), first)


def _checks(f16: Agreement, found: Agreement) -> dict[str, float]:
    return {
        "kld_f16": f16.kld,
        "top_agreement_f16": f16.top,
        "greedy_equal": float(f16.differing == 0),
        "greedy_ties": float(f16.ties),
        "kld": found.kld,
        "top_agreement": found.top,
        "positions": float(found.positions),
    }
