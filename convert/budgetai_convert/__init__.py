"""From an adapter to a checked GGUF file. `convert` tells the story; `cli` is the command."""
