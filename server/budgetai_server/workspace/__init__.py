"""What the server knows of one editor and its workspace."""
