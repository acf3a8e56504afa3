"""Batches of images, to train and to evaluate on."""
