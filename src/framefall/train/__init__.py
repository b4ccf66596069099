"""One training run: recipe, loop, and how it is resumed."""
