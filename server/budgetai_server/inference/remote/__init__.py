"""The engine on another machine: an HTTP server the user names runs the model."""
