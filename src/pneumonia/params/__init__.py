"""What params.yaml says, checked before any work."""
