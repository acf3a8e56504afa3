"""Training: recipes, data, and the fit that goes on where it was killed."""
