"""Lambda handlers and their wiring, one composition root per function."""
