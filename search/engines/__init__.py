"""Engines run the trials of a search."""
