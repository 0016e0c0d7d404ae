"""Which edit is proposed next: rules learned from the last edits, and the best place for one."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, language_of
from budgetai_server.next_edit.edit_rules import MAX_LINE_CHARACTERS, WORD, LineEdit, Rule, rules_of
from budgetai_server.next_edit.places import RulePlace, applied, places
from budgetai_server.next_edit.ranking import (
    Candidate,
    Evidence,
    Surroundings,
    features,
    probability,
)
from budgetai_server.next_edit.weights import THRESHOLD, WEIGHTS

# Rules that are tried, the newest first; and edits after which one is not tried any more.
_MAX_RULES, _MAX_AGE = 10, 8
_KEPT_RULES, _KEPT_SILENT = 200, 1_000
# Other files that are looked into for a rule, and files with its text that are counted.
_MAX_FILES, _MAX_SPREAD = 12, 50
_MIN_PROBE_CHARACTERS = 2
# Places of a document whose nodes are looked at for a rule.
_MAX_PARSED = 5
# Characters in front of a place that are parsed with it.
_WINDOW_CHARACTERS = 4_000


@dataclass(frozen=True)
class Documents:
    """What a proposal may be for: texts of open documents, and a search for the other files that
    hold a text, those near to a document first."""

    opened: Mapping[str, str]
    holding: Callable[[str, str], Iterable[tuple[str, str]]] = lambda text, near: ()


@dataclass(frozen=True)
class Proposal:
    """Lines of a document, from `first` up to `last`, that would become `new`. `old` is what stands
    there."""

    document: str
    first: int
    last: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    rule: Rule = field(repr=False)
    around: Surroundings = field(repr=False)
    probability: float = 0.0

    @property
    def key(self) -> tuple[object, ...]:
        """What is silent once it is passed over: the same change of the same line."""
        return self.document, self.old, self.new, self.around.line


class NextEdits:
    """The rules of one editor's session. `language` names a document's language."""

    def __init__(
        self,
        language: Callable[[str, str], Language | None] = language_of,
        weights: Mapping[str, float] = WEIGHTS,
        threshold: float = THRESHOLD,
    ) -> None:
        self._language = language
        self._weights, self._threshold = weights, threshold
        self._rules: OrderedDict[Rule, Evidence] = OrderedDict()
        self._silent: OrderedDict[tuple[object, ...], None] = OrderedDict()
        # By document, the number of its last edit.
        self._edited: OrderedDict[str, int] = OrderedDict()
        self._shown: Proposal | None = None
        self._count = 0

    def record(self, edit: LineEdit, text: str) -> None:
        """Learn from an edit; `text` is the document with it."""
        self._count += 1
        self._edited[edit.document] = self._count
        self._edited.move_to_end(edit.document)
        rules = list(rules_of(edit))
        self._settle_shown(edit, {rule for rule, _ in rules})
        before, starts = "", None
        # What the whole edit did is the newest.
        for rule, example in reversed(rules):
            if reversed_rules := self._reversing(rule):
                for gone in [*reversed_rules, rule]:
                    self._rules.pop(gone, None)
                continue
            if starts is None:
                before = _before(edit, text)
                starts = _line_starts(before, edit.line, edit.line + len(edit.old) + 1)
            row = min(example.row, len(starts) - 1)
            kind, node = self._syntax(edit.document, before, starts[row] + example.start)
            evidence = self._rules.setdefault(rule, Evidence())
            self._rules.move_to_end(rule)
            evidence.examples.append(
                Surroundings.of(example.line, example.start, example.end, kind, node)
            )
            evidence.edits.append(self._count)
            evidence.wholes += example.whole
        while len(self._rules) > _KEPT_RULES:
            self._rules.popitem(last=False)

    def forget_after(self, number: int) -> None:
        """Unlearn the edits behind the one of a number: the user has undone them."""
        self._shown = None
        for rule, evidence in list(self._rules.items()):
            kept = [n for n, edit in enumerate(evidence.edits) if edit <= number]
            evidence.examples = [evidence.examples[n] for n in kept]
            evidence.edits = [evidence.edits[n] for n in kept]
            if not kept:
                del self._rules[rule]

    def propose(self, document: str, line: int, documents: Documents) -> Proposal | None:
        """Return the likeliest next edit for who has just edited a document above a line; None
        where none is likely enough. It counts as passed over if something else is edited next."""
        ranked = [
            (probability(features(candidate), self._weights), candidate)
            for candidate in self.candidates(document, line, documents)
        ]
        if not ranked:
            return None
        likelihood, best = max(ranked, key=lambda pair: pair[0])
        if likelihood < self._threshold:
            return None
        proposal = self.proposal(best, likelihood)
        self.show(proposal)
        return proposal

    def show(self, proposal: Proposal) -> None:
        """Note that a proposal is shown. It is not shown a second time."""
        self._shown = proposal
        self.dismiss(proposal)

    def dismiss(self, proposal: Proposal) -> None:
        """Never show a proposal again."""
        self._silent[proposal.key] = None
        while len(self._silent) > _KEPT_SILENT:
            self._silent.popitem(last=False)

    def candidates(self, document: str, line: int, documents: Documents) -> Iterator[Candidate]:
        """Yield the next place of each rule that was seen of late."""
        text = documents.opened.get(document, "")
        at = _line_starts(text, line, line + 1)[0]
        for rule in list(reversed(self._rules))[:_MAX_RULES]:
            evidence = self._rules[rule]
            age = self._count - evidence.edits[-1]
            known = evidence.is_enough and len(rule.probe) >= _MIN_PROBE_CHARACTERS
            if age <= _MAX_AGE and known:
                yield from self._next_place(rule, evidence, age, document, line, at, documents)

    def proposal(self, candidate: Candidate, likelihood: float = 0.0) -> Proposal:
        """Return a candidate as an edit; what has always come together comes together again."""
        place, new = candidate.place, candidate.place.new
        if len(place.old) == len(new) == 1:
            made = new[0]
            mine = set(candidate.evidence.edits)
            for rule, evidence in self._rules.items():
                theirs = set(evidence.edits)
                disjoint = rule.old not in candidate.rule.new and candidate.rule.old not in rule.old
                if len(mine) >= 2 and mine <= theirs and WORD.search(rule.old) and disjoint:
                    made = applied(rule, made)
            new = (made,)
        return Proposal(
            candidate.document, place.first, place.last, place.old, new,
            candidate.rule, candidate.around, likelihood,
        )  # fmt: skip

    def _next_place(
        self, rule: Rule, evidence: Evidence, age: int, document: str, line: int, at: int,
        documents: Documents,
    ) -> Iterator[Candidate]:  # fmt: skip
        text = documents.opened.get(document, "")
        below = [p for p in places(rule, text, at) if self._may_show(rule, document, p)]
        above = [
            Surroundings.of(place.line, place.start, place.end)
            for place in places(rule, text, 0, at)
        ]
        passed = evidence.passed + above
        left_behind = 0
        first = evidence.edits[0]
        fresh: list[tuple[str, str]] = []
        for name, other in documents.opened.items():
            if name == document or rule.probe not in other:
                continue
            if self._edited.get(name, 0) < first:
                fresh.append((name, other))
            else:
                left_behind += next(places(rule, other), None) is not None
        if like := self._first_like(evidence, document, text, below):
            place, around = like
            yield Candidate(
                rule, evidence, document, place, around, passed, age, len(below),
                place.first - line, False, 0, left_behind,
            )  # fmt: skip
            return
        names = set(documents.opened)
        others = [pair for pair in documents.holding(rule.probe, document) if pair[0] not in names]
        spread = len(fresh) + len(others)
        for name, other in [*fresh, *others][:_MAX_FILES]:
            # Where lines are only put in, none tells that the file is still as the index has it.
            is_open = name in names
            shown = (
                place
                for place in places(rule, other)
                if self._may_show(rule, name, place) and (is_open or place.old)
            )
            here = list(islice(shown, _MAX_SPREAD))
            if like := self._first_like(evidence, name, other, here):
                place, around = like
                yield Candidate(
                    rule, evidence, name, place, around, passed, age, len(here), 0, True,
                    spread, left_behind,
                )  # fmt: skip
                return

    def _first_like(
        self, evidence: Evidence, document: str, text: str, among: list[RulePlace]
    ) -> tuple[RulePlace, Surroundings] | None:
        """Return the first place that stands in a node as those of the examples do: code, comment
        or string, and of the same kind in the tree."""
        for place in among[:_MAX_PARSED]:
            around = self._around(document, text, place)
            if any((e.kind, e.node) == (around.kind, around.node) for e in evidence.examples):
                return place, around
        return None

    def _may_show(self, rule: Rule, document: str, place: RulePlace) -> bool:
        key = (document, place.old, place.new, place.line.strip())
        return key not in self._silent and len(place.line) <= MAX_LINE_CHARACTERS

    def _around(self, document: str, text: str, place: RulePlace) -> Surroundings:
        kind, node = self._syntax(document, text, place.at)
        return Surroundings.of(place.line, place.start, place.end, kind, node)

    def _settle_shown(self, edit: LineEdit, rules: set[Rule]) -> None:
        """Take note of what became of the proposal that was shown: of the `rules` of an edit."""
        shown, self._shown = self._shown, None
        evidence = self._rules.get(shown.rule) if shown else None
        if shown is None or evidence is None:
            return
        if shown.rule in rules:
            evidence.taken += 1
            if (edit.document, edit.line) == (shown.document, shown.first):
                # The same may stand a second time, further down.
                self._silent.pop(shown.key, None)
        else:
            evidence.ignored += 1
            evidence.passed.append(shown.around)

    def _reversing(self, rule: Rule) -> list[Rule]:
        """Return the rules that do the reverse of one."""
        return [
            other
            for other in self._rules
            if other.old == rule.new
            and other.new == rule.old
            and (other.kind == "lines") == (rule.kind == "lines")
        ]

    def _syntax(self, document: str, text: str, at: int) -> tuple[str, str]:
        """Return the kind of a place, and the kinds of the nodes around it."""
        start, end = _window(text, at)
        parsed = _parsed(text[start:end], self._language(document, text))
        kind = cursor_syntax(parsed, at - start).kind
        if parsed.root is None:
            return kind, ""
        byte = parsed.byte(at - start)
        node = parsed.root.descendant_for_byte_range(byte, byte)
        parent = node.parent if node else None
        return kind, f"{parent.type if parent else ''} {node.type if node else ''}"


@lru_cache(maxsize=64)
def _parsed(text: str, language: Language | None) -> ParsedDocument:
    return ParsedDocument.of(text, language)


def _window(text: str, at: int) -> tuple[int, int]:
    """Return what is parsed around a place: from a paragraph that is not indented, if there is one
    near. Whole files would cost as much as everything else together."""
    far = max(0, at - _WINDOW_CHARACTERS)
    start = at
    while (start := text.rfind("\n\n", far, start)) >= 0:
        if not text[start + 2 : start + 3].isspace():
            break
    start = text.rfind("\n", 0, far) + 1 if start < 0 else start + 2
    end = text.find("\n", min(len(text), at + _WINDOW_CHARACTERS // 4))
    return start, len(text) if end < 0 else end


def _before(edit: LineEdit, text: str) -> str:
    """Return a document without its last edit."""
    ends = _line_starts(text, edit.line, edit.end + 1)
    start = ends[0]
    end = ends[-1] if len(ends) > len(edit.new) else len(text)
    old = "".join(line + "\n" for line in edit.old)
    if end == len(text) and not text.endswith("\n"):
        old = old.removesuffix("\n")
    return text[:start] + old + text[end:]


def _line_starts(text: str, first: int, last: int) -> list[int]:
    """Return where lines of a text begin, from `first` up to `last`; at least one place."""
    at = 0
    for _ in range(first):
        at = text.find("\n", at) + 1
        if not at:
            return [len(text)]
    starts = [at]
    for _ in range(first + 1, last):
        at = text.find("\n", at) + 1
        if not at:
            break
        starts.append(at)
    return starts
