"""Clips out of anybody's files, and videos back into files."""
