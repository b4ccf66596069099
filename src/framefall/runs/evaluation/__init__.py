"""Clips and models measured and compared: each a complete run, and its pages."""
