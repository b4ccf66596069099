"""Objects found and followed in pixels alone, with no pretrained network."""
