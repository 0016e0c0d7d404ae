"""What became of suggestions: counted on this machine, never sent."""
