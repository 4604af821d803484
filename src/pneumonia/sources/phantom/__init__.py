"""Generated films, for a machine without films and without a network."""
