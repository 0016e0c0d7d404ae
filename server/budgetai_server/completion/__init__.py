"""From a cursor to the suggestion that is shown."""
