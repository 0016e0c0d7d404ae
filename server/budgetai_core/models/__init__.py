"""Facts about model families and their tokenizers."""
