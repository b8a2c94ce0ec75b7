"""Predicted bands beside those of a reference calculation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.bands import errors, kspace, path
from rgnn.core.units import HARTREE_IN_EV
from rgnn.io.hamiltonian_frames import HamiltonianFrame

DENSE_LIMIT = 2000
"""Orbitals up to which all bands are computed."""


@dataclass(frozen=True, eq=False)
class BandPair:
    """Bands of a reference and of a prediction along one path, in the reference's energy zero."""

    path: path.Path
    reference: Float[np.ndarray, "n_k n_band"]
    predicted: Float[np.ndarray, "n_k n_band"]
    fermi: float
    errors: errors.BandErrors
    periodic: bool


def compare(
    reference: HamiltonianFrame, predicted: HamiltonianFrame, gauge: float, *, spin: int = 0
) -> BandPair | None:
    """Return both bands, or None where the reference has no Fermi level or is too large.

    The bands the DFT code wrote itself are used where the frame has them; otherwise its H and S
    are diagonalised at a few k points (Γ for molecules). `gauge` [eV] is the energy zero of the
    reference relative to the prediction.
    """
    if reference.fermi is None or reference.sizes.sum() > DENSE_LIMIT:
        return None
    if reference.bands is not None and reference.n_spin == 1:
        k, energies = reference.bands.k, reference.bands.energy
    else:
        k = few_points(reference)
        energies = kspace.energies(reference, k, spin=spin)
    found = kspace.energies(predicted, k, spin=spin) + gauge
    return BandPair(
        path.from_points(k, reference.structure),
        energies,
        found,
        reference.fermi,
        errors.compare(energies, found, reference.fermi),
        bool(reference.structure.pbc.any()),
    )


def few_points(frame: HamiltonianFrame) -> Float[np.ndarray, "n_k 3"]:
    """Return Γ, zone-boundary points and one of no symmetry, along periodic directions."""
    points = np.array(
        [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0.5], [1 / 3, 1 / 3, 0], [0.21, 0.13, 0.08]]
    )
    return np.unique(points * frame.structure.pbc, axis=0)


def summarise(pairs: list[BandPair]) -> dict[str, float]:
    """Return the band errors over all frames, under the names of `metrics.json`."""
    if not pairs:
        return {}
    error = np.concatenate([np.abs(p.errors.error[p.errors.counts]) for p in pairs])
    out = {
        "band_mae_meV": 1000 * float(error.mean()),
        "band_max_meV": 1000 * float(error.max()),
        "ghost_states": float(sum(p.errors.ghosts for p in pairs)),
    }
    if not any(p.periodic for p in pairs):
        out["orbital_energy_mae_uHa"] = 1e6 / HARTREE_IN_EV * float(error.mean())
    return out
