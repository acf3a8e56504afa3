"""Image files, and ImageNet's preprocessing and class names."""
