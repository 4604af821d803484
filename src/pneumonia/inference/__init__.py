"""A trained network in use: films in, predictions out."""
