"""How what is made fits what is beside it: what is known, the stage below, and the frames before."""
