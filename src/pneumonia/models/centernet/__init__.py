"""CenterNet, an anchor-free detector on another network."""
