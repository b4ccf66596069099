"""Complete runs, each a function: make clips, train, measure, compare."""
