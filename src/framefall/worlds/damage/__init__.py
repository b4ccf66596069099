"""Changes of finished clips: those that a metric must notice, and those that it must not."""
