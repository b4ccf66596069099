"""Parts of networks; they know nothing of diffusion."""
