"""Complete runs, as Python functions."""
