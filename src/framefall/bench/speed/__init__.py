"""How fast things are on this machine, side by side."""
