"""What each stage of a cascade does to a clip: blame, likelihood, and what super-resolution keeps and adds."""
