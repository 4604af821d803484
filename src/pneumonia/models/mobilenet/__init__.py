"""MobileNet."""
