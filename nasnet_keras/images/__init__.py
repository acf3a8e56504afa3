"""Image files, and what surrounds a network for ImageNet."""
