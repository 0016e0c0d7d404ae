"""The one binding to llama.cpp. Nothing imports it by the way: name the module that is needed."""
