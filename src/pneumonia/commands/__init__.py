"""The `pneumonia` command."""
