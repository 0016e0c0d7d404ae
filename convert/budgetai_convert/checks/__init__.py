"""Whether the file still says what the tuned model says."""
