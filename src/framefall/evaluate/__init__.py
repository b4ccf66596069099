"""Measures of videos, and their report."""
