"""Where the opacity is: geometry of boxes, what becomes of a detector's candidates, and how well boxes are found."""
