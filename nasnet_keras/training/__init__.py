"""Training: recipes, data, optimizers, and a `fit` that can be resumed."""
