"""Does a registered model hold on films from elsewhere, why not, and what would help."""
