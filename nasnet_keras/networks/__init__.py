"""From a configuration to a whole network, or to its costs."""
