"""The compiled side of the force field: structures in, arrays out, in padded shape buckets."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core.structure import Structure
from rgnn.graph import batch
from rgnn.graph.batch import Graph
from rgnn.reservoir.reservoir import Reservoir


class Outcome(NamedTuple):
    """What one structure's energies and pair gradients add up to."""

    site_energies: Float[np.ndarray, " n_real"]
    forces: Float[np.ndarray, "n_real 3"]
    virial: Float[np.ndarray, "3 3"]
    """Σ v ⊗ ∂E/∂v [eV], symmetrised; stress is virial / volume."""


def arithmetic(precision: str) -> AbstractContextManager[None]:
    """Return the context in which arrays of the given precision exist."""
    return jax.enable_x64(precision == "float64")  # pyright: ignore[reportReturnType]


def outcome(
    graph: Graph,
    site_energies: Float[np.ndarray, " n_atom"],
    gradient: Float[np.ndarray, "n_atom n_neighbour 3"],
) -> Outcome:
    """Return energies, forces and virial of the one structure in `graph`, summed in float64."""
    n_real = int(graph.atom_mask.sum())
    mask = np.asarray(graph.pair_mask)
    centre = np.broadcast_to(np.arange(len(mask))[:, None], mask.shape)[mask]
    neighbour = np.asarray(graph.neighbour)[mask]
    pull = gradient[mask].astype(np.float64)
    forces = np.stack(
        [
            np.bincount(centre, pull[:, x], minlength=n_real)
            - np.bincount(neighbour, pull[:, x], minlength=n_real)
            for x in range(3)
        ],
        axis=-1,
    )
    virial = np.asarray(graph.vector)[mask].T @ pull
    return Outcome(
        np.asarray(site_energies[:n_real], np.float64), forces[:n_real], (virial + virial.T) / 2
    )


class GraphBuilder:
    """Builds graphs whose shapes only ever grow, so that few of them are compiled."""

    def __init__(self, elements: Sequence[int], cutoff: float):
        self.elements = elements
        self.cutoff = cutoff
        self.n_atom = 0
        self.slots = (0,) * len(elements)

    def __call__(self, structure: Structure) -> Graph:
        """Return the graph of one structure."""
        needed = batch.slots_for([structure], self.elements, self.cutoff)
        self.slots = tuple(max(a, b) for a, b in zip(needed, self.slots, strict=True))
        self.n_atom = max(self.n_atom, 8, batch.bucket(len(structure)))
        return batch.build(
            [structure], self.elements, self.cutoff, n_atom=self.n_atom, slots=self.slots
        )


@eqx.filter_jit
def densities(reservoir: Reservoir, graph: Graph) -> list[Float[Array, "_m n_atom _in"]]:
    """Return what enters the chip."""
    layer = reservoir.layer
    return layer.densities(layer.edges(graph), graph.slices)


@eqx.filter_jit
def design(
    reservoir: Reservoir, graph: Graph, key: PRNGKeyArray | None
) -> tuple[Float[Array, "n_atom n_feature"], Float[Array, "n_atom n_neighbour 3 n_feature"]]:
    """Return invariants and their pair derivatives."""
    return reservoir.features_and_jacobian(graph, key=key)


@eqx.filter_jit
def energies_and_gradient(
    reservoir: Reservoir,
    graph: Graph,
    weights: Float[Array, "n_species n_feature"],
    key: PRNGKeyArray | None,
) -> tuple[Float[Array, " n_atom"], Float[Array, "n_atom n_neighbour 3"]]:
    """Return site energies and pair gradients of one readout."""
    return reservoir.energies_and_gradient(graph, weights, key=key)


@eqx.filter_jit
def spread(
    reservoir: Reservoir, graph: Graph, weights: Float[Array, "k n_species n_feature"]
) -> tuple[Float[Array, "k n_atom"], Float[Array, "k n_atom n_neighbour 3"]]:
    """Return site energies and pair gradients of several readouts."""
    return reservoir.spread(graph, weights)


def as_numpy(tree):
    """Return a tree of device arrays as numpy arrays."""
    return jax.tree.map(np.asarray, tree)


def as_dtype(values: Float[np.ndarray, "..."], precision: str) -> Array:
    """Return `values` on the device in the given precision."""
    return jnp.asarray(values, precision)
