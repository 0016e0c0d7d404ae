"""A conversion from its start to its end: plan → merge → check → quantise → evaluate → write.

Nothing stands at the final name before every check has passed, and the manifest is there first.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gguf import GGUFValueType

from budgetai_convert import write_bundle
from budgetai_convert.checks import (
    agreement,
    check_texts,
    code_probes,
    divergence,
    readings,
    reference,
)
from budgetai_convert.checks.agreement import Agreement
from budgetai_convert.checks.code_probes import Probe, Reader, Samples
from budgetai_convert.checks.divergence import Evaluator, HeldOutScores, Measured, Reference
from budgetai_convert.checks.readings import CheckText
from budgetai_convert.checks.reference import Answer
from budgetai_convert.formats import gguf_writer
from budgetai_convert.leftovers import locked, scratch
from budgetai_convert.model import disk_offload, merge, rank_truncation
from budgetai_convert.model.third_party import UNKNOWN_PROMPTS
from budgetai_convert.options import AUTO, ConvertOptions
from budgetai_convert.plan import BUNDLE_BASE, ConversionPlan, Variant, adapter_folder, planned
from budgetai_convert.progress_line import Begin, shown
from budgetai_convert.quantize import auto, calibration, llama_quantize
from budgetai_convert.quantize.auto import Choice
from budgetai_convert.write_model import manifest_of, write_sidecars
from budgetai_core.artifacts import imatrix, layout
from budgetai_core.artifacts.atomic_write import replaced, replaced_folder
from budgetai_core.artifacts.bundle import AdapterEntry
from budgetai_core.artifacts.gguf_header import Metadata
from budgetai_core.artifacts.gguf_reader import pack
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import AdapterError, CheckError, OptionError
from budgetai_core.llama.quantizer import QuantizeParams
from budgetai_core.llama.scoring import ScoringModel
from budgetai_core.models import gguf_tokenizer

_NEED_NO_IMATRIX = ("F16", "BF16", "Q8_0")
_MIN_PROBES = 4
# Each takes a second or two of torch's time, and must be answered as torch does, token by token.
_PROBES_FOR_TORCH = 8
# A file that says of these what the 16-bit file says is not asked for the others.
_FIRST_PROBES = 12


@dataclass(frozen=True)
class ConversionResult:
    """A finished model, or a bundle's folder with the `entries` that were made for it; `seconds`
    is the time the whole conversion took. `choice` is what auto measured, `root` the repository
    that a model was made for, if it is there."""

    model: Path
    manifest: ModelManifest
    seconds: float = 0.0
    choice: Choice | None = None
    entries: tuple[AdapterEntry, ...] = ()
    root: Path | None = None


def convert(options: ConvertOptions) -> ConversionResult:
    """Make a model file or a bundle, or add to one. Raises BudgetAIError for everything the user
    can mend."""
    start = time.monotonic()
    write = _write_model
    if options.bundle or options.add_to:
        write = _write_bundle if options.bundle else _add_to_bundle
    with planned(options) as plan, locked(plan.final), shown() as begin:
        result = write(plan, begin)
    layout.remember(options.repo or Path.cwd())
    return dataclasses.replace(result, seconds=time.monotonic() - start)


def cut(options: ConvertOptions, into: Path) -> AdapterManifest:
    """Write the adapter at its rank as a PEFT folder. Raises BudgetAIError as `convert` does."""
    folder = adapter_folder(options)
    with rank_truncation.at_rank(folder, options.rank, options.base) as adapter:
        if adapter.own:
            raise AdapterError(
                f"the adapter {folder.name} brings weights of its own ({adapter.own.names}), which "
                "--peft does not write",
                "Leave --peft out",
            )
        rank_truncation.write(adapter, adapter.manifest.rank, into)
    return AdapterManifest.read(into)


def _write_model(plan: ConversionPlan, begin: Begin) -> ConversionResult:
    """Write one file: the base with the adapter merged in."""
    (variant,) = plan.variants
    conversion = Conversion(plan, variant, begin)
    with replaced(plan.final) as temporary:
        conversion.make(temporary)
        manifest = conversion.manifest(temporary)
        # Written just before the model is renamed, so that no model is ever seen without it.
        manifest.write(plan.final)
    # Killed before, it leaves no page about a model that is not there.
    write_sidecars(plan, variant, manifest, conversion.choice)
    return ConversionResult(plan.final, manifest, choice=conversion.choice, root=variant.root)


def _write_bundle(plan: ConversionPlan, begin: Begin) -> ConversionResult:
    """Write a folder with the base as it was, of the type that the first of the adapters needs, and
    the adapters beside it, each checked over that base."""
    with replaced_folder(plan.final) as folder:
        base = folder / BUNDLE_BASE
        bundled = [
            write_bundle.write_adapter(folder, plan.source, variant) for variant in plan.variants
        ]
        first, *others = (
            Conversion(plan, variant, begin, adapter.path)
            for variant, adapter in zip(plan.variants, bundled, strict=True)
        )
        first.make(base)
        for other in others:
            other.check_over(base)
        bundled = [
            dataclasses.replace(adapter, checks=conversion.checks)
            for adapter, conversion in zip(bundled, (first, *others), strict=True)
        ]
        manifest, title = first.manifest(base), plan.title(first.variant)
        write_bundle.describe(folder, title, plan.source, manifest, first.choice, bundled)
    entries = tuple(adapter.entry for adapter in bundled)
    return ConversionResult(plan.final, manifest, choice=first.choice, entries=entries)


def _add_to_bundle(plan: ConversionPlan, begin: Begin) -> ConversionResult:
    """Add each adapter by itself: what is there already stays, if one of them fails."""
    folder = plan.final.parent
    base, entries = folder / BUNDLE_BASE, []
    for variant in plan.variants:
        with scratch(plan.final, folder) as unchecked:
            bundled = write_bundle.write_adapter(unchecked, plan.source, variant)
            conversion = Conversion(plan, variant, begin, bundled.path)
            conversion.check_over(base)
            bundled.path.replace(folder / bundled.entry.file)
        bundled = dataclasses.replace(bundled, checks=conversion.checks)
        entries.append(write_bundle.add(folder, plan.source, bundled))
    return ConversionResult(folder, conversion.manifest(base), entries=tuple(entries))


@dataclass
class Conversion:
    """One variant on its way: merged, checked, quantised, evaluated.

    With a `lora` the base stays as it is, and every check is made with that adapter file laid over
    it. `checks` and `notes` are for the manifest; `choice` is what auto measured."""

    plan: ConversionPlan
    variant: Variant
    begin: Begin
    lora: Path | None = None
    checks: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    choice: Choice | None = None

    def make(self, target: Path) -> None:
        """Write the model at `target`, checked and evaluated."""
        with scratch(self.plan.final, target.parent) as folder:
            merged = folder / "merged-f16.gguf"
            self._merge(merged)
            samples = self._draw_samples(merged)
            checked = self._check_merged(merged, folder, samples)
            better = self._better_merge(merged, samples, folder)
            if better:
                better.replace(merged)
                # What was read above is the other merge.
                checked = dataclasses.replace(checked, reference=None)
            if self.plan.quant == "F16":
                quantised = checked.agreed
                if better:
                    quantised = self._check_quantised(merged, merged, checked, ())
                merged.replace(target)
            else:
                importance = self._importance(merged, samples, folder)
                self._quantise(merged, target, importance, samples)
                # What auto has measured is not measured again.
                probes = samples.probes if samples and not self.choice else ()
                quantised = self._check_quantised(merged, target, checked, probes)
        self.checks = _agreements(checked.agreed, quantised) | self.checks

    def check_over(self, base: Path) -> None:
        """Check the adapter file over a base that is there already, quantised or not."""
        with scratch(self.plan.final, base.parent) as folder:
            merged = folder / "merged-f16.gguf"
            self._merge(merged)
            samples = self._draw_samples(merged)
            checked = self._check_merged(merged, folder, samples)
            probes = samples.probes if samples else ()
            quantised = self._check_quantised(merged, base, checked, probes)
        self.checks = _agreements(checked.agreed, quantised) | self.checks

    def manifest(self, model: Path) -> ModelManifest:
        """Return what is to be written beside the finished model."""
        size = model.stat().st_size
        return manifest_of(self.plan, self.variant, size, self.checks, self.notes, self.choice)

    def _merge(self, target: Path) -> None:
        adapter = self.variant.adapter
        disk_offload.import_early(adapter.folder if adapter else None)
        weights = self.plan.source.weights
        task = self.begin("Merging", gguf_writer.size_of(weights))
        values = merge.merged(self.plan.source, None if self.lora else adapter)
        gguf_writer.write(target, self._metadata(), weights, values, task.add)

    def _better_merge(self, merged: Path, samples: Samples | None, folder: Path) -> Path | None:
        """Merge an adapter that was trained over 4-bit weights into these, too. Return that file
        where it has less held-out loss than `merged`, else None."""
        adapter = self.variant.adapter
        trained_in_4bit = adapter is not None and adapter.manifest.load_in == "4bit"
        if not trained_in_4bit or self.lora or not samples or not samples.probes:
            return None
        weights, other = self.plan.source.weights, folder / "merged-4bit.gguf"
        task = self.begin("Merging into 4-bit weights", gguf_writer.size_of(weights))
        values = merge.merged(self.plan.source, self.variant.adapter, four_bits=True)
        gguf_writer.write(other, self._metadata(), weights, values, task.add)
        task = self.begin("Comparing the two merges", 2 * len(samples.probes))
        plain, rounded = (
            divergence.loss(path, samples.probes, task.add) for path in (merged, other)
        )
        self.checks |= {"loss_merged_16bit": plain, "loss_merged_4bit": rounded}
        taken = "the 4-bit weights it was trained over" if rounded < plain else "16-bit weights"
        self.notes["merged_into"] = taken
        return other if rounded < plain else None

    def _metadata(self) -> Metadata:
        """Return the base's metadata and ours: names only, no path of this machine. A model that
        was not tuned on our prompts does not say so, and a bundle's base nothing of its
        adapters."""
        own = {"budgetai.base": pack(self.plan.base.name, GGUFValueType.STRING)}
        if self._prompt_format:
            own["budgetai.prompt_format"] = pack(self._prompt_format, GGUFValueType.UINT32)
        if self.variant.adapter and not self.lora:
            trained = self.variant.adapter.manifest
            repository = trained.repository.replace("\\", "/").rstrip("/").rpartition("/")[2]
            own["budgetai.repository"] = pack(repository, GGUFValueType.STRING)
            own["budgetai.task"] = pack(trained.task, GGUFValueType.STRING)
        return self.plan.source.metadata | own

    @property
    def _prompt_format(self) -> int:
        """That of the adapter's prompts; 0 without one, or where they are not known. The base of a
        bundle is served with ours, whatever its adapters were trained on."""
        if self.lora:
            return PROMPT_FORMAT
        adapter = self.variant.adapter
        return adapter.manifest.prompt_format if adapter else UNKNOWN_PROMPTS

    def _check_merged(self, merged: Path, folder: Path, samples: Samples | None) -> "CheckedMerge":
        """Compare the merged file with torch, by the answers that the file gives: to short texts,
        and at held-out places if there are any. What it says of the lines there is kept."""
        probes = samples.probes[:_FIRST_PROBES] if samples else ()
        adapter = self.variant.adapter.folder if self.variant.adapter else None
        with ScoringModel(merged, lora=self.lora) as native:
            self._check_metadata(native)
            self._check_tokenizer(native)
            texts = _texts(native, probes)
            task = self.begin("Checking the merge", 2 * len(texts))
            path = folder / "readings.f32"
            generated, read = readings.generate(
                native, texts, reference.ANSWER_TOKENS - 1, path, task.add
            )
            known = None
            if probes:
                real = (reading.real for reading in read[-len(probes) :])
                known = divergence.keep_reference(native, probes, real, folder / "reference")
        task = self.begin("Asking torch", 2 * self.plan.source.sizes.blocks)
        answers = reference.answers(self.plan.source.path, adapter, generated, folder, task.add)
        answered = (reading for text, reading in zip(texts, read, strict=True) if text.answer)
        agreed = agreement.joined(
            [
                agreement.rate(answer, reading.answered)
                for answer, reading in zip(answers, answered, strict=True)
            ]
        )
        agreement.check_f16(agreed)
        self.checks["holes_as_torch"] = float(min(len(probes), _PROBES_FOR_TORCH))
        return CheckedMerge(agreed, tuple(answers), tuple(texts), folder / "reference", known)

    def _check_metadata(self, native: ScoringModel) -> None:
        architecture = self.plan.source.sizes.architecture
        agreement.check_metadata(native, architecture, self._prompt_format or None)

    def _check_tokenizer(self, native: ScoringModel) -> None:
        """Ask a folder's tokenizer through transformers, a GGUF's through llama.cpp, about
        hard texts and every special token."""
        base, retyped = self.plan.source.path, self.plan.source.retyped
        names = gguf_tokenizer.special(self.plan.source.metadata)
        texts = [*check_texts.TEXTS, *(f"a{name} {name}\n" for name in names)]
        self.checks["tokenizer_texts"] = float(len(texts))
        if base.is_dir():
            agreement.check_tokenizer(native, reference.tokenizer(base, retyped), texts)
            return
        texts = [text for text in texts if not any(name in text for name in retyped)]
        with ScoringModel(base, vocabulary_only=True) as own:
            agreement.check_tokenizer(native, own.tokenize, texts)

    def _draw_samples(self, merged: Path) -> Samples | None:
        """Return the repository's code as prompts. Raises OptionError if auto has nothing to
        evaluate on."""
        samples, root, adapter = None, self.variant.root, self.variant.adapter
        if adapter and (rest := gguf_tokenizer.left_out(adapter.origin, self.plan.source.metadata)):
            self.notes["tokenizer"] = f"the base's: the adapter's own has {rest}, left out"
        if adapter and adapter.own:
            self.notes["own_weights"] = f"{adapter.own.names}, from the adapter"
        manifest = adapter.manifest if adapter else None
        if root is not None:
            with ScoringModel(merged, vocabulary_only=True) as native:
                markers = gguf_tokenizer.mark(self.plan.source.metadata).markers
                name = root.resolve().name
                reader = Reader(name, markers, native.tokenize, tuple(native.beginning()))
                samples = code_probes.draw(root, manifest, reader)
                self.notes["judged_by"] = samples.origin
        if manifest and not manifest.prompt_format:
            self.notes["judged_by"] = "nothing: it is not known what the adapter was trained on"
        if self.plan.quant == AUTO and (samples is None or len(samples.probes) < _MIN_PROBES):
            raise OptionError(
                "--quant auto needs held-out code to measure on",
                "Name the repository with --repo, or one type with --quant",
            )
        return samples

    def _importance(self, merged: Path, samples: Samples | None, folder: Path) -> str:
        """Return the path of the importance matrix of the repository's code, or an empty text."""
        copy = self.plan.imatrix
        wanted = self.plan.importance and (copy or self.plan.quant not in _NEED_NO_IMATRIX)
        if not wanted or samples is None or not samples.texts:
            if copy:
                raise OptionError(f"no code to make {copy} from", "Name --repo")
            return ""
        task = self.begin("Reading your code", len(samples.texts))
        importance = calibration.collect(merged, samples.texts, task.add, self.lora)
        path = folder / "imatrix.gguf"
        imatrix.write(path, importance, "the repository's own code")
        if copy:
            with replaced(copy) as temporary:
                temporary.write_bytes(path.read_bytes())
        self.notes["importance"] = f"{sum(map(len, samples.texts))} tokens of the repository"
        return str(path)

    def _quantise(
        self, merged: Path, target: Path, importance: str, samples: Samples | None
    ) -> None:
        quant = self.plan.quant
        if quant == AUTO:
            assert samples is not None
            inputs = auto.AutoInputs(merged, self.lora, importance, samples.probes)
            self.choice = auto.choose(inputs, target, self.plan.limits, self.begin)
            self._check_held_out(self.choice.chosen, self.choice.reference)
            return
        task = self.begin(f"Quantising to {quant}", self.plan.expected_size(quant))
        params = QuantizeParams(quant=quant, imatrix=importance)
        llama_quantize.quantize(merged, target, params, task.reach)

    def _check_quantised(
        self, merged: Path, target: Path, checked: "CheckedMerge", probes: tuple[Probe, ...]
    ) -> Agreement:
        """Compare a file with torch, and on held-out lines with the merged one."""
        first = probes[:_FIRST_PROBES]
        known = checked.reference
        if first and known is None:
            task = self.begin("Completing held-out lines", len(first))
            known = divergence.evaluate_reference(merged, first, checked.path, task.add, self.lora)
        texts = checked.texts
        if not first:
            texts = tuple(dataclasses.replace(t, line=None) for t in texts if t.answer)
        answers, parts = iter(checked.answers), []
        scores = HeldOutScores(known) if first and known else None
        task = self.begin(f"Checking {self.plan.quant}", len(texts))
        with ScoringModel(target, lora=self.lora) as native:
            self._check_metadata(native)
            read = readings.read(native, texts, checked.answers)
            for text, reading in zip(texts, read, strict=True):
                if text.answer:
                    parts.append(agreement.rate(next(answers), reading.answered))
                if scores and text.line is not None:
                    scores.add(native, first, [reading.real])
                task.add()
        agreed = agreement.joined(parts)
        agreement.check_quant(agreed, self.plan.quant)
        if scores:
            self._evaluate(merged, target, probes, scores)
        return agreed

    def _evaluate(
        self, merged: Path, target: Path, probes: tuple[Probe, ...], scores: HeldOutScores
    ) -> None:
        """Keep the numbers on held-out lines: on the first ones alone, where the file is so near
        to the merged one that the others would tell nothing new."""
        known = scores.reference
        if not scores.nearly_lossless:
            task = self.begin("Completing held-out lines", 2 * (len(probes) - len(scores.exact)))
            known = divergence.evaluate_reference(
                merged, probes, known.path, task.add, self.lora, known
            )
            scores = dataclasses.replace(scores, reference=known)
            evaluator = Evaluator(probes, known, self.lora)
            scores = evaluator.resumed(scores, target, len(probes), task.add)
        elif len(scores.exact) < len(probes):
            self.notes["judged_by"] += f"; {len(scores.exact)} were enough"
        self._check_held_out(scores.measured(self.plan.quant, target.stat().st_size), known)

    def _check_held_out(self, measured: Measured, f16: Reference) -> None:
        """Keep the numbers on held-out code. Raises CheckError for lines lost beyond chance."""
        self.checks |= {
            "held_out_kld": measured.kld,
            "held_out_top_agreement": measured.top,
            "held_out_exact": measured.matched,
            "held_out_exact_f16": f16.matched,
            "held_out_holes": float(len(measured.exact)),
        }
        if not divergence.not_worse(f16, measured):
            raise CheckError(
                f"{measured.name} completes {measured.matched:.0%} of {len(measured.exact)} "
                f"held-out lines, 16 bits {f16.matched:.0%}: more than chance",
                "Use a type with more bits",
            )


@dataclass(frozen=True)
class CheckedMerge:
    """A merged file that agrees with torch: how nearly, what torch says of its answers to `texts`,
    and what the file itself says of the first held-out lines, kept at `path`; None, where that is
    to be asked anew."""

    agreed: Agreement
    answers: tuple[Answer, ...]
    texts: tuple[CheckText, ...]
    path: Path
    reference: Reference | None


def _texts(native: ScoringModel, probes: Sequence[Probe]) -> list[CheckText]:
    """Return what files are checked on: texts that are built in, then held-out lines."""
    beginning = native.beginning()
    texts = [CheckText((*beginning, *native.tokenize(text))) for text in check_texts.PROMPTS]
    return texts + [
        CheckText.of(probe, answer=number < _PROBES_FOR_TORCH)
        for number, probe in enumerate(probes)
    ]


def _agreements(f16: Agreement, quantised: Agreement) -> dict[str, float]:
    return {
        "kld_f16": f16.kld,
        "top_agreement_f16": f16.top,
        "greedy_equal": float(f16.differing == 0),
        "greedy_ties": float(f16.ties),
        "kld": quantised.kld,
        "top_agreement": quantised.top,
        "positions": float(quantised.positions),
    }
