"""Denoising networks behind one signature, and the text encoder."""
