"""Many cells and their periphery = one noisy matrix."""

from rgnn.crossbar.wires import effective_matrix as effective_matrix
