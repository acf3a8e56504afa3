"""Writes models in the formats of other programs, and runs them there."""
