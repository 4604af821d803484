"""How well a localiser finds opacities."""
