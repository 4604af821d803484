"""How good a trained network is, how sure that is, and what it leans on."""
