"""Predicted bands beside those of a reference calculation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.bands import errors, kspace
from rgnn.bands.ghosts import FLOOR, GhostFilter
from rgnn.core.units import HARTREE_IN_EV
from rgnn.io.hamiltonian_frames import HamiltonianFrame

DENSE_LIMIT = 2000
"""Orbitals up to which all bands are computed."""


@dataclass(frozen=True, eq=False)
class BandPair:
    """Bands of a reference and of a prediction at the same k, in the reference's energy zero.

    The k points of both spins follow one another.
    """

    reference: Float[np.ndarray, "n_k n_band"]
    predicted: Float[np.ndarray, "n_k n_band"]
    fermi: float
    errors: errors.BandErrors
    periodic: bool


def compare(
    reference: HamiltonianFrame,
    predicted: HamiltonianFrame,
    gauge: float,
    *,
    floor: float = FLOOR,
) -> BandPair | None:
    """Return both bands, or None where the reference has no Fermi level or is too large.

    The bands the DFT code wrote itself are used where the frame has them; otherwise its H and S
    are diagonalised at a few k points (Γ for molecules). `gauge` [eV] is the energy zero of the
    reference relative to the prediction. Ghost states are taken out of the prediction, looked for
    among overlap eigenvalues below `floor`; 0 leaves them in.
    """
    if reference.fermi is None or reference.sizes.sum() > DENSE_LIMIT:
        return None
    if reference.bands is not None and reference.n_spin == 1:
        k, exact = reference.bands.k, reference.bands.energy
    else:
        k = few_points(reference)
        exact = _in_a_row(kspace.all_spins(reference, k))
    ghosts = GhostFilter(reference.fermi + errors.WINDOW - gauge, floor)
    found = _in_a_row(kspace.all_spins(predicted, k, ghosts=ghosts)) + gauge
    return BandPair(
        exact,
        found,
        reference.fermi,
        errors.compare(exact, found, reference.fermi),
        bool(reference.structure.pbc.any()),
    )


def _in_a_row(levels: Float[np.ndarray, "n_spin n_k n_band"]) -> Float[np.ndarray, "n_row n_band"]:
    return levels.reshape(-1, levels.shape[-1])


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
        "ghost_states_removed": float(sum(np.isinf(p.predicted).sum() for p in pairs)),
    }
    if not any(p.periodic for p in pairs):
        out["orbital_energy_mae_uHa"] = 1e6 / HARTREE_IN_EV * float(error.mean())
    return out
