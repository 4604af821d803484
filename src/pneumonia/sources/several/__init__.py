"""Films of several sources together, each with its site."""
