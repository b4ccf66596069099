"""Scores for people: tables and pages."""
