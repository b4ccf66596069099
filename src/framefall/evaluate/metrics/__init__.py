"""Numbers of one clip, and the suite that takes them all."""
