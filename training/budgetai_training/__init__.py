"""The trainer: a repository becomes a LoRA adapter inside a time budget."""
