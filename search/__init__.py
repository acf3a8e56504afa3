"""The search for cells."""
