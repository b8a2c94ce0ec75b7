"""Many cells and their periphery = one noisy matrix."""
