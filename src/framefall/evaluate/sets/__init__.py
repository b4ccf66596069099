"""Sets of clips against sets: distances of features, and copies of training clips."""
