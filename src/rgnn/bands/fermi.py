"""Occupation: Fermi level from an electron count, and the count behind a Fermi level."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import expit

from rgnn.core.errors import InputError

BOLTZMANN = 8.617333262e-5
"""[eV/K]"""


def occupation(
    energies: Float[np.ndarray, "*shape"], fermi: float, temperature: float
) -> Float[np.ndarray, "*shape"]:
    """Return Fermi–Dirac occupations at `temperature` [K]."""
    return expit((fermi - energies) / (BOLTZMANN * temperature))


def count_electrons(
    energies: Float[np.ndarray, "n_spin n_k n_band"], fermi: float, *, temperature: float = 300.0
) -> float:
    """Return the electrons per cell below `fermi` [eV], k points weighing the same."""
    degeneracy = 2 / energies.shape[0]
    return float(degeneracy * occupation(energies, fermi, temperature).sum() / energies.shape[1])


def fermi_level(
    energies: Float[np.ndarray, "n_spin n_k n_band"],
    electrons: float,
    *,
    temperature: float = 300.0,
) -> float:
    """Return the Fermi level [eV] that holds `electrons` per cell."""
    finite = energies[np.isfinite(energies)]
    low, high = float(finite.min()) - 5.0, float(finite.max()) + 5.0
    capacity = 2 * finite.size / (energies.shape[0] * energies.shape[1])
    if not 0 < electrons < capacity:
        raise InputError(f"{electrons:g} electrons do not fit {capacity:g} spin orbitals")

    def excess(fermi: float) -> float:
        return count_electrons(energies, fermi, temperature=temperature) - electrons

    root = brentq(excess, low, high, xtol=1e-10)
    return float(root)  # pyright: ignore[reportArgumentType]  (full_output is off)
