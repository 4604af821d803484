"""What is said of a film: its label, and the boxes around its opacities."""
