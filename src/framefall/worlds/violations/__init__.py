"""Twins of a valid log that break one law of physics from a moment on."""
