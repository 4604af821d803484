"""Inception V3."""
