"""Stages, their composition, and their files."""
