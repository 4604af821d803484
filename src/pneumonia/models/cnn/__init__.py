"""The separable CNN of the notebooks."""
