"""Builds the network of a configuration, or counts its costs."""
