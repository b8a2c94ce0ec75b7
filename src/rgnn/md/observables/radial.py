"""Radial distribution functions, right also beyond half the cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float, Int
from vesin import NeighborList

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure


@dataclass(frozen=True, eq=False)
class RadialDistribution:
    """g(r) of every pair of elements, averaged over frames."""

    radius: Float[np.ndarray, " n_bin"]
    """Middle of each shell [Å]."""
    pairs: tuple[tuple[int, int], ...]
    """Atomic numbers, the smaller one first."""
    g: Float[np.ndarray, "n_pair n_bin"]
    """Density of the second element around the first, relative to its mean."""
    neighbours: Float[np.ndarray, "n_pair n_bin"]
    """How many of the second element lie around one of the first, up to the shell's outer edge."""


def radial_distribution(
    structures: Sequence[Structure], *, r_max: float = 6.0, n_bin: int = 120
) -> RadialDistribution:
    """Return g(r) for r < `r_max` [Å] of periodic structures that share their elements.

    Counts every periodic image, also those of the atom itself, so `r_max` may exceed the cell. The
    reference density is N/V: uncorrelated atoms give 1 (1 − 1/N with their own kind inside the
    cell), and `neighbours` of a crystal steps by its coordination shells.
    """
    if not structures:
        raise InputError("g(r) needs at least one frame")
    numbers = structures[0].numbers
    elements = [int(z) for z in np.unique(numbers)]
    pairs = tuple(combinations_with_replacement(elements, 2))
    edges = np.linspace(0.0, r_max, n_bin + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    counts = np.zeros((len(pairs), n_bin))
    g = np.zeros((len(pairs), n_bin))
    population = {z: int(np.sum(numbers == z)) for z in elements}
    for structure in structures:
        found = _count(structure, pairs, edges)
        counts += found
        ideal = np.array([population[a] * population[b] for a, b in pairs]) / structure.volume
        g += found / (ideal[:, None] * shells)
    around = np.array([population[a] for a, _ in pairs]) * len(structures)
    return RadialDistribution(
        radius=(edges[1:] + edges[:-1]) / 2,
        pairs=pairs,
        g=g / len(structures),
        neighbours=np.cumsum(counts, axis=1) / around[:, None],
    )


def _count(
    structure: Structure,
    pairs: tuple[tuple[int, int], ...],
    edges: Float[np.ndarray, " n_edge"],
) -> Float[np.ndarray, "n_pair n_bin"]:
    """Return how many ordered pairs of each kind fall into each shell of one frame."""
    if not structure.pbc.all() or structure.volume == 0:
        raise InputError("g(r) is a density ratio: it needs a cell periodic in all directions")
    first, second, distance = _neighbours(structure, float(edges[-1]))
    a, b = structure.numbers[first], structure.numbers[second]
    chosen = [distance[(a == x) & (b == y)] for x, y in pairs]
    return np.stack([np.histogram(some, edges)[0].astype(float) for some in chosen])


def _neighbours(
    structure: Structure, cutoff: float
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return all ordered pairs within `cutoff`; positions are folded into the cell first."""
    cell = structure.cell
    folded = (structure.positions @ np.linalg.inv(cell)) % 1.0 @ cell
    i, j, d = NeighborList(cutoff=cutoff, full_list=True, n_threads=1).compute(
        points=folded, box=cell, periodic=True, quantities="ijd"
    )
    return i.astype(int), j.astype(int), d
