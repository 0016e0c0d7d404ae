"""Completions for editor plugins that speak HTTP: llama-server's words, OpenAI's and Ollama's.

A request is turned into a place in a document of a repository, and goes the way of every other
completion from there. Nothing here logs what it is asked or what it answers.
"""
