"""Design rows: what energies, forces and stress of one structure are as functions of the weights.

With site energies E_i = w_{s(i)} · φ_i every label is linear in the weights: the energy row is
Σ φ_i, the force row −∂/∂r Σ φ_i, the stress row Σ v ⊗ ∂φ_i/∂v / V, each sorted into one block of
columns per element of the centre atom.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rgnn.graph.batch import Graph

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Order of the six stress components."""


class Rows(NamedTuple):
    """Rows of one structure, columns element by element."""

    energy: Float[np.ndarray, "n_species n_feature"]
    forces: Float[np.ndarray, "n_real 3 n_species n_feature"]
    virial: Float[np.ndarray, "6 n_species n_feature"]
    """Σ v ⊗ ∂φ/∂v [eV per unit weight], symmetrised, Voigt order; stress is virial / volume."""


def assemble(
    graph: Graph,
    n_species: int,
    invariants: Float[np.ndarray, "n_atom n_feature"],
    jacobian: Float[np.ndarray, "n_atom n_neighbour 3 n_feature"],
) -> Rows:
    """Return the rows of the single structure in `graph` from its features and derivatives."""
    n_real, n_feature = int(graph.atom_mask.sum()), invariants.shape[-1]
    energy = np.zeros((n_species, n_feature))
    forces = np.zeros((n_real, 3, n_species, n_feature), np.float32)
    virial = np.zeros((3, 3, n_species, n_feature))
    for i in range(n_real):
        element = int(graph.species[i])
        real = np.flatnonzero(graph.pair_mask[i])
        rows = jacobian[i][real]
        energy[element] += invariants[i]
        forces[i, :, element] += rows.sum(axis=0)
        for j, row in zip(graph.neighbour[i][real], rows, strict=True):
            forces[j, :, element] -= row
        vectors = np.asarray(graph.vector[i][real], rows.dtype)
        virial[:, :, element] += np.tensordot(vectors, rows, axes=(0, 0))
    symmetric = (virial + virial.transpose(1, 0, 2, 3)) / 2
    return Rows(energy, forces, np.stack([symmetric[a, b] for a, b in VOIGT]))
