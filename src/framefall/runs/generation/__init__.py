"""Clips made, gone on with, remade and enlarged: each a complete run."""
