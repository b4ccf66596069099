"""Kinds of jobs: each a function from a checked request to a generator of the library's events, run by the worker."""
