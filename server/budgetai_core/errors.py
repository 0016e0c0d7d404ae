"""Errors a user can mend. Each message names the value that is wrong; each hint the next step.

BudgetAIError
├── OptionError        a flag or setting that makes no sense
├── RepositoryError    no such repository, or nothing in it to learn from
├── BaseError          a base model that is unknown, unreadable or not supported
├── AdapterError       an adapter that is missing, broken or of another base
├── ModelError         a GGUF file that is missing, broken or of another prompt format
├── BudgetError        a time budget in which nothing can be done
├── CheckError         a converted file that differs from the tuned model
└── StorageError       a disk that is full, or a place that cannot be written
"""


class BudgetAIError(Exception):
    """A mistake the user can mend: one line for the terminal, never a traceback."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}. {self.hint}" if self.hint else message


class OptionError(BudgetAIError):
    pass


class RepositoryError(BudgetAIError):
    pass


class BaseError(BudgetAIError):
    pass


class AdapterError(BudgetAIError):
    pass


class ModelError(BudgetAIError):
    pass


class BudgetError(BudgetAIError):
    pass


class CheckError(BudgetAIError):
    pass


class StorageError(BudgetAIError):
    pass
