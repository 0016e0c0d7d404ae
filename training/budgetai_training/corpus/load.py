"""Reading repositories into a corpus."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from budgetai_core.context.block_words import measured_by_name
from budgetai_core.context.languages import Language
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_core.repository import git, listing, open_repository
from budgetai_core.repository.files import Examined, Examiner, from_disk
from budgetai_core.repository.history import SINCE, CommitTree, resolve
from budgetai_core.repository.language_map import declarations
from budgetai_training.corpus import annotations
from budgetai_training.corpus.annotations import Notes
from budgetai_training.corpus.filters import path_filter
from budgetai_training.corpus.records import Corpus, CorpusFile
from budgetai_training.corpus.screening import CorpusEntry, CorpusSource
from budgetai_training.corpus.split import FixedSplit, SplitEntry, by_file, by_time
from budgetai_training.options import TrainOptions

# Called with the number of files read and the number of all.
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class _Job:
    """One repository to read, at a revision or as it lies there."""

    source: CorpusSource
    count: int
    files: Iterator[Examined]


def read(
    options: TrainOptions, tick: Tick = lambda done, total: None, fixed: FixedSplit | None = None
) -> Corpus:
    """Read what the options name, the same for the same files and seed; where a run goes on, its
    split is `fixed`. Raises RepositoryError where there is nothing to learn from, OptionError for a
    note or an option that makes no sense.
    """
    notes = _notes(options)
    (name, root), *others = _roots(options)
    commit = _revision(root, options)
    jobs = [_job(name, root, commit, options, notes)]
    jobs += [_job(other, place, "", options, notes) for other, place in others]
    if commit:
        jobs.append(_job(name, root, "", options, notes))
    read_jobs = _read(jobs, tick)
    _check_notes(options, notes, [entry for entries in read_jobs for entry in entries])
    learned = [entry for entries in read_jobs[: 1 + len(others)] for entry in entries]
    if commit:
        placed = by_time(learned, read_jobs[-1])
    else:
        placed = by_file(learned, options.seed, name, fixed)
    corpus = _corpus(name, placed, f"{SINCE}{commit}" if commit else "")
    _check_enough(options.repo, corpus)
    return corpus


def _notes(options: TrainOptions) -> Notes:
    """Read the notes. A dry run may name a file that is still to be written."""
    if options.corpus is None or (options.dry_run and not options.corpus.exists()):
        return Notes()
    return annotations.read(options.corpus)


def _roots(options: TrainOptions) -> list[tuple[str, Path]]:
    """Return the repositories by name, the main one first; of two with the same name one gets a
    number."""
    roots: dict[str, Path] = {}
    for repo in (options.repo, *options.also):
        root = open_repository(repo)
        if root in roots.values():
            raise OptionError(f"{repo} is named twice", "Leave it out of --also")
        name, count = root.name or "repository", 1
        while name in roots:
            count += 1
            name = f"{root.name}-{count}"
        roots[name] = root
    return list(roots.items())


def _revision(root: Path, options: TrainOptions) -> str:
    if not options.holdout:
        return ""
    revision = options.holdout.removeprefix(SINCE)
    commit = resolve(root, revision)
    if not commit:
        raise RepositoryError(
            f"the history of {root} begins after {revision}", "Name a later date for --holdout"
        )
    return commit


def _job(name: str, root: Path, commit: str, options: TrainOptions, notes: Notes) -> _Job:
    source = CorpusSource(name, commit, notes, path_filter(root, options))
    # Only who looks at a file that is left out, or wants it, needs its text.
    thorough = options.dry_run or bool(notes.exact)
    declared = declarations(options.language)
    if commit:
        tree = CommitTree(root, commit, declared)
        return _Job(source, len(tree), tree.examined(thorough=thorough))
    paths = sorted(set(listing(root)))
    files = Examiner(root, paths, declared).examine(paths, from_disk(root), thorough=thorough)
    return _Job(source, len(paths), files)


def _read(jobs: Sequence[_Job], tick: Tick) -> list[list[CorpusEntry]]:
    total, done = sum(job.count for job in jobs), 0
    by_job: list[list[CorpusEntry]] = []
    for job in jobs:
        entries: list[CorpusEntry] = []
        for file in job.files:
            entries += job.source.entries(file)
            done += 1
            tick(done, total)
        by_job.append(entries)
    return by_job


def _check_notes(options: TrainOptions, notes: Notes, entries: Sequence[CorpusEntry]) -> None:
    """Raise OptionError for notes on files that are not there. A dry run leaves them out of the
    file that it writes."""
    known = {(entry.repository, entry.path) for entry in entries}
    gone = [(note.line, key) for key, note in notes.exact.items() if key[:2] not in known]
    if gone and not options.dry_run:
        line, (repository, path, _) = min(gone)
        more = f", nor the files of {len(gone) - 1} more lines" if len(gone) > 1 else ""
        raise OptionError(
            f"{options.corpus} line {line}: there is no {path} in {repository}{more}",
            "Remove such lines; --dry-run with the same --corpus does, and keeps the others",
        )


def _corpus(name: str, placed: Sequence[SplitEntry], holdout: str) -> Corpus:
    train = [p.file for p in placed if p.is_trained_on]
    languages = measured_by_name((file.language, file.text) for file in train)
    corpus = Corpus(
        name,
        tuple(_in_measured(file, languages) for file in train),
        tuple(_in_measured(p.file, languages) for p in placed if p.is_held_out),
        (),
        tuple(p.row for p in placed),
        holdout,
    )
    return corpus.decided()


def _in_measured(file: CorpusFile, languages: Mapping[str, Language]) -> CorpusFile:
    known = languages.get(file.language.name) if file.language else None
    return replace(file, declared=known) if known else file


def _check_enough(repo: Path, corpus: Corpus) -> None:
    """Raise RepositoryError where nothing is left to learn."""
    number = len(corpus.rows)
    if not number and git.has_repository(repo):
        raise RepositoryError(
            f"git tracks no files in {repo}",
            f"Add your code first: {git.command(repo, 'add', '-A')}; or name another --repo",
        )
    if not number:
        raise RepositoryError(f"{repo} is empty", "Commit some code first, or name another --repo")
    if corpus.train:
        return
    if not any(row.language for row in corpus.rows):
        raise RepositoryError(
            f"{repo} has no code files among {number} files",
            "Name the language of their ending: --language ext=NAME; --dry-run shows each file",
        )
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(corpus.reasons.items()))
    raise RepositoryError(
        f"{repo} has nothing to learn among {number} files: {reasons}",
        "budgetai-train --dry-run shows the reason of each file",
    )
