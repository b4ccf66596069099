"""Processes, predictions, samplers, guidance and the objective; they ask for a callable."""
