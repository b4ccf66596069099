"""Benchmarks: what this machine reaches, what each part costs, and what others of its kind do beside it."""
