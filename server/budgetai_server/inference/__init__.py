"""Inference: a prompt becomes text, on this machine or on a server the user names."""
