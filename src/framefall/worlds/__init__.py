"""Simulated scenes with known truth: engines, a renderer, captions, splits, and twins that break physics."""
