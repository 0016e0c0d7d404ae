"""What is trained: LoRA, DyLoRA and the methods they are compared with."""
