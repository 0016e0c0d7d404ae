"""What a run is evaluated on."""
