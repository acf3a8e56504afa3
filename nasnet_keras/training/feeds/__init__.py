"""Batches of images: for training, augmented; for evaluation, as they are."""
