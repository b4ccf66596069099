"""What the studio's server answers, a file for each kind of thing that is asked for."""
