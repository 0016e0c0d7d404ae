"""Spans to judge a model by, and the metrics."""
