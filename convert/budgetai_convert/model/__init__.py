"""The model that is converted: base, adapter, and the two merged."""
