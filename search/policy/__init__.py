"""The policy: an LSTM controller, its losses and its training."""
