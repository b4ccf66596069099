"""Fields: measured or simulated quantities with names, units, coordinates and missing values, from files and back."""
