"""Models of other libraries in our place, and ours in theirs; each library is an extra."""
