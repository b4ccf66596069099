"""Which metrics deserve belief: damage that each must notice, placebos that it must not, and matched twins."""
