"""Pictures of what happened, and the truth about each frame."""
