"""What a model knows, in its card, and whether a prompt is within it."""
