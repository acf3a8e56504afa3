"""Predictions of trained networks, and their accuracy."""
