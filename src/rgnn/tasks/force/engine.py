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
from rgnn.graph.neighbours import pairs_within
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.reservoir import Design, PairGradient, Reservoir, Surroundings
from rgnn.tasks.force.gate import Network


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
    around: Surroundings,
    site_energies: Float[np.ndarray, " n_atom"],
    gradient: PairGradient,
) -> Outcome:
    """Return energies, forces and virial of one structure, summed in float64."""
    n_real = int(around.full.atom_mask.sum())
    forces, virial = _collect(around.full, np.asarray(gradient.full), n_real)
    if around.near is not None and gradient.near is not None:
        more = _collect(around.near, np.asarray(gradient.near), n_real)
        forces, virial = forces + more[0], virial + more[1]
    return Outcome(np.asarray(site_energies[:n_real], np.float64), forces, (virial + virial.T) / 2)


def _collect(
    graph: Graph, gradient: Float[np.ndarray, "n_atom n_neighbour 3"], n_real: int
) -> tuple[Float[np.ndarray, "n_real 3"], Float[np.ndarray, "3 3"]]:
    """Return the forces and Σ v ⊗ ∂E/∂v of the pairs in one graph."""
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
    forces = forces[:n_real].astype(np.float64)  # counts of no pairs at all are integers
    return forces, np.asarray(graph.vector)[mask].T @ pull


class Builder:
    """Builds surroundings whose shapes only ever grow, so that few of them are compiled."""

    def __init__(self, elements: Sequence[int], config: ReservoirConfig):
        self.elements = elements
        reaches = [config.cutoff] + ([config.message.cutoff] if config.message.scalars else [])
        self.reaches = reaches
        self.n_atom = 0
        self.slots = [(0,) * len(elements) for _ in reaches]

    def __call__(self, structure: Structure) -> Surroundings:
        """Return the neighbourhoods of one structure."""
        self.n_atom = max(self.n_atom, 8, batch.bucket(len(structure), batch.ROWS))
        graphs = [self._graph(structure, which) for which in range(len(self.reaches))]
        return Surroundings(graphs[0], graphs[1] if len(graphs) > 1 else None)

    def _graph(self, structure: Structure, which: int) -> Graph:
        pairs = pairs_within(structure, self.reaches[which])
        needed = batch.slots_for(structure, pairs, self.elements)
        slots = tuple(max(a, b) for a, b in zip(needed, self.slots[which], strict=True))
        self.slots[which] = slots
        return batch.build(structure, pairs, self.elements, n_atom=self.n_atom, slots=slots)


@eqx.filter_jit
def design(reservoir: Network, around: Surroundings, key: PRNGKeyArray | None) -> Design:
    """Return invariants and the parts of their derivatives."""
    return reservoir.design(around, key=key)


@eqx.filter_jit
def features(
    reservoir: Reservoir, around: Surroundings, key: PRNGKeyArray | None
) -> Float[Array, "n_atom n_feature"]:
    """Return the invariants of every atom."""
    return reservoir.features(around, key=key)


@eqx.filter_jit
def energies_and_gradient(
    reservoir: Network,
    around: Surroundings,
    weights: Float[Array, "n_species n_feature"],
    key: PRNGKeyArray | None,
) -> tuple[Float[Array, " n_atom"], PairGradient]:
    """Return site energies and pair gradients of one readout."""
    return reservoir.energies_and_gradient(around, weights, key=key)


@eqx.filter_jit
def spread(
    reservoir: Network, around: Surroundings, weights: Float[Array, "k n_species n_feature"]
) -> tuple[Float[Array, "k n_atom"], PairGradient]:
    """Return site energies and pair gradients of several readouts."""
    return reservoir.spread(around, weights)


def as_numpy(tree):
    """Return a tree of device arrays as numpy arrays."""
    return jax.tree.map(np.asarray, tree)


def as_dtype(values: Float[np.ndarray, "..."], precision: str) -> Array:
    """Return `values` on the device in the given precision."""
    return jnp.asarray(values, precision)
