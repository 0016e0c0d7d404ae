"""What stands beside a model: an adapter as GGUF, a Modelfile, a model card."""
