"""Density of states and effective masses."""

import numpy as np
from jaxtyping import Float

from rgnn.bands.kspace import energies
from rgnn.io.hamiltonian_frames import HamiltonianFrame

HBAR2_OVER_M = 7.619964231
"""ħ² / electron mass [eV Å²]."""


def density_of_states(
    levels: Float[np.ndarray, "n_spin n_k n_band"],
    grid: Float[np.ndarray, " n_energy"],
    *,
    width: float = 0.1,
) -> Float[np.ndarray, " n_energy"]:
    """Return states per eV and cell at the energies `grid` [eV], Gaussians of σ = `width`."""
    degeneracy = 2 / levels.shape[0]
    near = levels[(levels > grid[0] - 6 * width) & (levels < grid[-1] + 6 * width)]
    total = np.zeros(len(grid))
    for part in np.array_split(near, max(len(near) // 4096, 1)):
        total += np.exp(-0.5 * ((grid[:, None] - part) / width) ** 2).sum(axis=1)
    return degeneracy * total / (np.sqrt(2 * np.pi) * width * levels.shape[1])


def effective_mass(
    frame: HamiltonianFrame,
    k: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    band: int,
    *,
    spin: int = 0,
    step: float = 0.01,
) -> float:
    """Return m*/m of a band at fractional `k` along a Cartesian direction.

    ħ² / (m d²E/dk²) from a parabola through five points `step` [1/Å] apart: only meaningful where
    the band is smooth, i.e. not where it touches another.
    """
    reciprocal = 2 * np.pi * np.linalg.pinv(frame.structure.cell).T
    offsets = step * np.arange(-2, 3)
    unit = np.asarray(direction) / np.linalg.norm(direction)
    points = k + offsets[:, None] * (unit @ np.linalg.pinv(reciprocal))
    curve = energies(frame, points, spin=spin)[:, band]
    curvature = 2 * np.polyfit(offsets, curve, 2)[0]
    return HBAR2_OVER_M / float(curvature)
