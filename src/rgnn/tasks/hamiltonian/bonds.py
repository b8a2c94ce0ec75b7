"""Bonds: every pair of atoms whose block may differ from zero, listed once, by element pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.tasks.hamiltonian.angular import bond_frames
from rgnn.tasks.hamiltonian.surroundings import around

_ROOM = 1.5
"""Distance [Å] beyond the longest seen within which blocks of endless orbitals fade to 0."""

_DEAD = 1e-3
"""Overlap below which blocks have died out."""

ElementPair = tuple[int, int]
"""Atomic numbers of the two ends, the smaller first."""


@dataclass(frozen=True, eq=False)
class Bonds:
    """Bonds between two elements, each in one direction; `frames` turn them to +z."""

    first: Int[np.ndarray, " n_bond"]
    second: Int[np.ndarray, " n_bond"]
    image: Int[np.ndarray, "n_bond 3"]
    vector: Float[np.ndarray, "n_bond 3"]
    block: Int[np.ndarray, " n_bond"]
    """Where the block of this direction stands in its frame; −1 without a frame."""

    def __len__(self) -> int:
        return len(self.first)

    @property
    def distance(self) -> Float[np.ndarray, " n_bond"]:
        """Return the lengths [Å]."""
        return np.linalg.norm(self.vector, axis=1)

    @property
    def frames(self) -> Float[np.ndarray, "n_bond 3 3"]:
        """Return rotations that turn every bond to +z."""
        return bond_frames(self.vector)

    def take(self, chosen: np.ndarray | slice) -> "Bonds":
        """Return some of the bonds."""
        return Bonds(
            self.first[chosen],
            self.second[chosen],
            self.image[chosen],
            self.vector[chosen],
            self.block[chosen],
        )


def bonds_of_frame(frame: HamiltonianFrame) -> dict[ElementPair, Bonds]:
    """Return the bonds for which `frame` has blocks."""
    keep = ~frame.onsite
    everything = Bonds(
        frame.first[keep],
        frame.second[keep],
        frame.image[keep],
        frame.vectors[keep],
        np.flatnonzero(keep),
    )
    return _by_elements(frame.structure, everything)


def bonds_within(
    structure: Structure, cutoffs: Mapping[ElementPair, float]
) -> dict[ElementPair, Bonds]:
    """Return the bonds shorter than the cutoff [Å] of their elements."""
    near = around(structure, structure.positions, max(cutoffs.values()))
    first, slot = near.there.nonzero()
    second, vector = near.index[first, slot], near.vector[first, slot]
    distance = np.linalg.norm(vector, axis=1)
    ends = np.sort(structure.numbers[np.stack([first, second], axis=1)], axis=1)
    reach = np.array([cutoffs.get((int(a), int(b)), 0.0) for a, b in ends])
    keep = (distance > 1e-6) & (distance < reach)
    missing = np.full(int(keep.sum()), -1)
    everything = Bonds(
        first[keep], second[keep], near.image[first, slot][keep], vector[keep], missing
    )
    return _by_elements(structure, everything)


def _by_elements(structure: Structure, bonds: Bonds) -> dict[ElementPair, Bonds]:
    """Sort directed pairs by element pair and keep one direction of each."""
    left, right = structure.numbers[bonds.first], structure.numbers[bonds.second]
    backward = np.column_stack([bonds.second, bonds.first, -bonds.image])
    forward = np.column_stack([bonds.first, bonds.second, bonds.image])
    kept = (left < right) | ((left == right) & _precedes(forward, backward))
    out = {}
    for pair in sorted({(int(a), int(b)) for a, b in zip(left[kept], right[kept], strict=True)}):
        out[pair] = bonds.take(np.flatnonzero(kept & (left == pair[0]) & (right == pair[1])))
    return out


def _precedes(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which rows of `one` come before those of `other` in lexical order."""
    differs = one != other
    column = differs.argmax(axis=1)
    row = np.arange(len(one))
    return one[row, column] < other[row, column]


def reach_of(frames: Sequence[HamiltonianFrame]) -> dict[ElementPair, float]:
    """Return the distance [Å] at which the blocks of each element pair end.

    Numerical orbitals end at a radius: where the overlaps of the longest blocks have died out,
    their distance is the cutoff. Blocks still alive at the longest distance seen get room to fade.
    """
    longest: dict[ElementPair, float] = {}
    alive: dict[ElementPair, bool] = {}
    for frame in frames:
        for pair, bonds in bonds_of_frame(frame).items():
            end = float(bonds.distance.max())
            outermost = frame.overlap[bonds.block[bonds.distance > 0.98 * end]]
            if end > longest.get(pair, 0.0):
                longest[pair] = end
                alive[pair] = bool(np.abs(outermost).max() > _DEAD)
    return {pair: end + _ROOM if alive[pair] else end * (1 + 1e-3) for pair, end in longest.items()}
