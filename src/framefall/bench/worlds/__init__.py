"""The world benchmark of a cascade: going on from frames, clips of words, each stage, and what it all must reach."""
