"""One module for each stack, split by the lifetime of what it holds."""
