"""The networks: a folder for each architecture."""
