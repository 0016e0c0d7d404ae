"""The next edit: what was just done, proposed where the same stands again, without a model."""
