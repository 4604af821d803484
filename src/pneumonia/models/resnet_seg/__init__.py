"""A residual network that gives a mask."""
