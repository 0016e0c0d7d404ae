"""Quantising, and the choice of types."""
