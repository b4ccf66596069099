"""The scenarios: each draws the beginning of a scene whose event is sure to happen, and to be seen."""
