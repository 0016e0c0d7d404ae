"""Spans to evaluate a model on, and the metrics."""
