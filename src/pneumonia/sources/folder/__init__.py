"""A folder of your own films."""
