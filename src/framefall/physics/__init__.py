"""Laws of physics, each a number of what tracking found in a clip, and of the scene where that is known."""
