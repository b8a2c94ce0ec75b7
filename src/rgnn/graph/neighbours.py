"""All pairs of atoms within a cutoff, periodic images included."""

from dataclasses import dataclass

import numpy as np
import vesin
from jaxtyping import Float, Int

from rgnn.core.structure import Structure


@dataclass(frozen=True, eq=False)
class Pairs:
    """Directed pairs i → j, sorted by i; `vector` = r_j + image − r_i [Å].

    Cells smaller than the cutoff are fine: an atom may then be its own neighbour and meet the
    same neighbour in several images.
    """

    centre: Int[np.ndarray, " n_pair"]
    neighbour: Int[np.ndarray, " n_pair"]
    vector: Float[np.ndarray, "n_pair 3"]
    cutoff: float


def pairs_within(structure: Structure, cutoff: float) -> Pairs:
    """Return every pair closer than `cutoff` [Å], each in both directions."""
    search = vesin.NeighborList(cutoff=cutoff, full_list=True, n_threads=1)
    periodic = [bool(p) for p in structure.pbc]
    box = structure.cell if any(periodic) else np.zeros((3, 3))
    i, j, vector = search.compute(structure.positions, box, periodic, "ijD")
    order = np.argsort(i, kind="stable")
    return Pairs(i[order].astype(np.int64), j[order].astype(np.int64), vector[order], cutoff)
