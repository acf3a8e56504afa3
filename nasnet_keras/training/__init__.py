"""Training: data, and (to come) the recipes of the paper."""
