"""Files of moving and still pictures: read with limits, written under their final name whole."""
