"""How good the trained network is on films that it has not learnt from."""
