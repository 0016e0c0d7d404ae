"""From repositories on disk to files to learn from and files to evaluate on."""
