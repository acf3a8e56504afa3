"""What a trained network says of images, and how often it is right."""
