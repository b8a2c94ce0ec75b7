"""Design rows: what energies, forces and stress of one structure are as functions of the weights.

With site energies E_i = w_{s(i)} · φ_i every label is linear in the weights: the energy row is
Σ φ_i, the force row −∂/∂r Σ φ_i, the stress row Σ v ⊗ ∂φ_i/∂v / V, each sorted into one block of
columns per element of the centre atom.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rgnn.graph.batch import Graph
from rgnn.reservoir.reservoir import Design, MessageDesign, Surroundings

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Order of the six stress components."""


class Rows(NamedTuple):
    """Rows of one structure, columns element by element."""

    energy: Float[np.ndarray, "n_species n_feature"]
    forces: Float[np.ndarray, "n_real 3 n_species n_feature"]
    virial: Float[np.ndarray, "6 n_species n_feature"]
    """Σ v ⊗ ∂φ/∂v [eV per unit weight], symmetrised, Voigt order; stress is virial / volume."""


def assemble(around: Surroundings, n_species: int, design: Design) -> Rows:
    """Return the rows of one structure from its features and their derivatives."""
    n_real, n_feature = int(around.full.atom_mask.sum()), design.invariants.shape[-1]
    species = np.asarray(around.full.species[:n_real])
    energy = np.zeros((n_species, n_feature))
    np.add.at(energy, species, design.invariants[:n_real])
    forces = np.zeros((n_real, 3, n_species, n_feature), np.asarray(design.full).dtype)
    virial = np.zeros((3, 3, n_species, n_feature))
    _add_pairs(forces, virial, around.full, np.asarray(design.full))
    if around.near is not None and design.message is not None:
        near = np.asarray(design.message.near)
        first = int(design.message.first)
        own = slice(first, first + near.shape[-1])
        _add_pairs(forces[..., own], virial[..., own], around.near, near)
        _add_messages(forces[..., own], virial[..., own], around.full, around.near, design.message)
    symmetric = (virial + virial.transpose(1, 0, 2, 3)) / 2
    return Rows(energy, forces, np.stack([symmetric[a, b] for a, b in VOIGT]))


def _add_pairs(
    forces: Float[np.ndarray, "n_real 3 n_species n"],
    virial: Float[np.ndarray, "3 3 n_species n"],
    graph: Graph,
    jacobian: Float[np.ndarray, "n_atom n_neighbour 3 n"],
) -> None:
    """Add what features of i do when a vector from i to a neighbour moves."""
    for i in range(len(forces)):
        element = int(graph.species[i])
        real = np.flatnonzero(graph.pair_mask[i])
        rows = jacobian[i][real]
        forces[i, :, element] += rows.sum(axis=0)
        for j, row in zip(graph.neighbour[i][real], rows, strict=True):
            forces[j, :, element] -= row
        vectors = np.asarray(graph.vector[i][real], rows.dtype)
        virial[:, :, element] += np.tensordot(vectors, rows, axes=(0, 0))


def _add_messages(
    forces: Float[np.ndarray, "n_real 3 n_species n"],
    virial: Float[np.ndarray, "3 3 n_species n"],
    full: Graph,
    near: Graph,
    design: MessageDesign,
) -> None:
    """Add what features of i do when a near neighbour's scalars move.

    Per sender j: how its scalars move with every atom, and with strain; per receiver i one matrix
    product over (sender, scalar).
    """
    moves, strains = _sender_moves(full, np.asarray(design.scalar_slopes), len(forces))
    by_scalar = np.asarray(design.by_scalar)
    for i in range(len(forces)):
        element = int(near.species[i])
        real = np.flatnonzero(near.pair_mask[i])
        if not len(real):
            continue
        senders = near.neighbour[i][real]
        weight = by_scalar[i][real].reshape(-1, forces.shape[-1])
        by_atom = moves[senders].reshape(len(weight), -1).T @ weight
        forces[:, :, element] -= by_atom.reshape(*forces.shape[:2], -1)
        by_strain = strains[senders].reshape(len(weight), 9).T @ weight
        virial[:, :, element] += by_strain.reshape(3, 3, -1)


def _sender_moves(
    graph: Graph, slopes: Float[np.ndarray, "n_atom n_neighbour 3 n_scalar"], n_real: int
) -> tuple[Float[np.ndarray, "n_real n_scalar n_real 3"], Float[np.ndarray, "n_real n_scalar 3 3"]]:
    """Return ∂s_j/∂r_a for all atoms a, and Σ v ⊗ ∂s_j/∂v."""
    n_scalar = slopes.shape[-1]
    moves = np.zeros((n_real, n_scalar, n_real, 3), slopes.dtype)
    strains = np.zeros((n_real, n_scalar, 3, 3), slopes.dtype)
    for j in range(n_real):
        real = np.flatnonzero(graph.pair_mask[j])
        rows = slopes[j][real]
        np.add.at(moves[j].transpose(1, 2, 0), graph.neighbour[j][real], rows)
        moves[j, :, j] -= rows.sum(axis=0).T
        vectors = np.asarray(graph.vector[j][real], slopes.dtype)
        strains[j] = np.einsum("ka,kbq->qab", vectors, rows)
    return moves, strains
