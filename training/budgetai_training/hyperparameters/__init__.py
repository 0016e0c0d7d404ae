"""What the options of a run mean, as pure values: the mixture of samples, and the ranks."""
