"""Reading a repository into a corpus."""

from pathlib import Path

from budgetai_server.errors import RepositoryError
from budgetai_server.repository import open_repository, sources
from budgetai_training.corpus.files import Corpus, CorpusFile
from budgetai_training.corpus.split import split


def read(repo: Path, seed: int) -> Corpus:
    """Read a repository. Raises RepositoryError where there is nothing to learn from."""
    root = open_repository(repo)
    files, decisions = sources(root)
    if not decisions:
        raise RepositoryError(f"{repo} is empty", "Commit some code first, or name another --repo")
    if not files:
        raise RepositoryError(
            f"{repo} has no code files among {len(decisions)} files",
            "BudgetAI learns from source code in the languages of its README",
        )
    name = root.name or "repository"
    every = tuple(CorpusFile(name, file.path, file.text) for file in files)
    whole = Corpus(name, every, (), tuple(decisions))
    return whole.holding_out(split(every, seed))
