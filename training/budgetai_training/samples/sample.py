"""A sample: one prompt and what is learned of it."""

from dataclasses import dataclass

from budgetai_core.context.prompt import Prompt
from budgetai_training.corpus.records import CorpusFile


@dataclass(frozen=True)
class Sample:
    """A prompt whose text before the cursor is learned. Its last `answer` characters are what the
    cut took out: a whole thing of this `kind`, which the text after it goes on from.

    `ends` says whether the end marker is learned behind it. It is not where the file goes on but
    no text after the cut is shown: there, stopping would be a guess. Of a sample with
    `answer_alone` nothing but the answer is learned; the rest of BEFORE is shown. A token of the
    answer, or the end marker, counts `emphasis` times as much as one of the text before it.
    """

    file: CorpusFile
    prompt: Prompt
    kind: str
    answer: int
    ends: bool = True
    answer_alone: bool = False
    emphasis: int = 1

    @property
    def language(self) -> str:
        """The name of the file's language; "text" where it is none we know."""
        language = self.file.language
        return language.name if language else "text"

    @property
    def key(self) -> tuple[str, str]:
        """Repository and path, the same from epoch to epoch."""
        return self.file.key
