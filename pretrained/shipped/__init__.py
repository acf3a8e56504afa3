"""Weights that we trained; they come with the package."""
