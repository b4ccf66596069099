"""The studio: a local server whose pages generate, compare, train and measure, and teach on the live models."""
