"""What is said of a scene, and how it is read back."""
