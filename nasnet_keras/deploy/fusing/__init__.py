"""A network as a graph of operations, and what makes it faster."""
