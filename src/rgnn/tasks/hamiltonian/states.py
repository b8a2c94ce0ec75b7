"""What surrounds a bond, as complex numbers filed under (|m|, swap sign)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float

from rgnn.core.structure import Structure
from rgnn.tasks.hamiltonian.angular import rotation
from rgnn.tasks.hamiltonian.bonds import Bonds
from rgnn.tasks.hamiltonian.config import DensityConfig
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.surroundings import Surroundings, around, density, one_hot

States = dict[Channel, Complex[np.ndarray, "n_bond _"]]


def state_sizes(atom: tuple[int, int], bond: tuple[int, int], *, m_max: int) -> dict[Channel, int]:
    """Return how many numbers `bond_states` finds in each channel.

    `atom` and `bond`: channels and largest degree around the ends and around the middle.
    """
    sizes = {}
    for m in range(m_max + 1):
        for swap in (1, -1):
            centred = sum((-1) ** (degree + m) == swap for degree in range(m, bond[1] + 1))
            ends = max(atom[1] + 1 - m, 0)
            sizes[Channel(m, swap)] = bond[0] * centred + atom[0] * ends
    return sizes


def bond_states(
    structure: Structure,
    bonds: Bonds,
    densities: Sequence[Float[np.ndarray, "n_atom _ _"]],
    elements: Sequence[int],
    config: DensityConfig,
    *,
    m_max: int,
) -> States:
    """Return the densities around the middle and the ends of each bond, in the bond's frame.

    Around the middle, a component (l, m) has swap sign (−1)^(l+m); the sum of the densities of the
    two ends has that sign as well, and their difference the other. `densities` are those of
    the atoms, in the frame of the cell.
    """
    frames = bonds.frames
    found: dict[Channel, list[np.ndarray]] = {
        Channel(m, swap): [] for m in range(m_max + 1) for swap in (1, -1)
    }
    for degree, values in enumerate(_around_middle(structure, bonds, elements, config, frames)):
        for m in range(min(degree, m_max) + 1):
            found[Channel(m, (-1) ** (degree + m))].append(_pair(values, degree, m))
    for degree, values in enumerate(densities):
        turn = np.swapaxes(rotation(frames, degree=degree), 1, 2)
        near, far = values[bonds.first] @ turn, values[bonds.second] @ turn
        for m in range(min(degree, m_max) + 1):
            for sign in (1, -1):
                channel = Channel(m, sign * (-1) ** (degree + m))
                found[channel].append(_pair(near + sign * far, degree, m))
    return {channel: np.concatenate(parts, axis=1) for channel, parts in found.items() if parts}


def _around_middle(
    structure: Structure,
    bonds: Bonds,
    elements: Sequence[int],
    config: DensityConfig,
    frames: np.ndarray,
) -> list[np.ndarray]:
    """Return the density of all atoms but the two ends around the middle of each bond."""
    half = bonds.vector / 2
    near = around(structure, structure.positions[bonds.first] + half, config.cutoff)
    end = (_length(near.vector - half[:, None]) < 1e-6) | (
        _length(near.vector + half[:, None]) < 1e-6
    )
    others = Surroundings(near.index, near.image, near.vector, near.there & ~end)
    return density(others, one_hot(structure, elements), config, frames)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def _pair(values: np.ndarray, degree: int, m: int) -> Complex[np.ndarray, "n n_channel"]:
    """Return component +m + i · component −m."""
    return (
        values[:, :, degree + m] + 1j * values[:, :, degree - m] if m else values[:, :, degree] + 0j
    )
