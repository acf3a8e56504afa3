"""The policy: an LSTM controller, its losses, how it learns."""
