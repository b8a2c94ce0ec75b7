"""Many cells and their periphery = one noisy matrix."""

from rgnn.crossbar.gated import gate_driven_currents as gate_driven_currents
from rgnn.crossbar.wires import effective_matrix as effective_matrix
from rgnn.crossbar.wires_traced import traced_effective_matrix as traced_effective_matrix
