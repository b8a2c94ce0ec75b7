"""How far predicted bands are from reference bands."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from rgnn.core.errors import InputError
from rgnn.core.units import MEV_PER_EV

WINDOW = 2.0
"""Bands count up to this far above the Fermi level [eV]."""


@dataclass(frozen=True, eq=False)
class BandErrors:
    """Predicted minus reference energies [eV], and which of them count."""

    error: Float[np.ndarray, "*points n_band"]
    counts: Bool[np.ndarray, "*points n_band"]
    ghosts: int
    """States in the window that the reference does not have, or lacking there, summed over k."""

    def summary(self) -> dict[str, float]:
        """Return the errors under the names of `metrics.json`."""
        error = np.abs(self.error[self.counts])
        return {
            "band_mae_meV": MEV_PER_EV * float(error.mean()),
            "band_max_meV": MEV_PER_EV * float(error.max()),
            "ghost_states": float(self.ghosts),
        }


def compare(
    reference: Float[np.ndarray, "*points n_band"],
    predicted: Float[np.ndarray, "*points_predicted n_band_predicted"],
    fermi: float,
) -> BandErrors:
    """Return the errors of occupied bands and those up to 2 eV above the Fermi level.

    Points are k points, or spins and k points. Both must have one energy zero. Bands are compared
    in ascending order: a ghost state shifts all above it and shows as a large error; it is also
    counted, with 0.5 eV of tolerance at the edge.
    """
    if reference.shape != predicted.shape:
        raise InputError(
            f"{predicted.shape[-1]} predicted bands at {predicted[..., 0].size} points, the "
            f"reference has {reference.shape[-1]} at {reference[..., 0].size}: not the same basis "
            "or path"
        )
    edge = fermi + WINDOW
    counts = reference <= edge
    if not counts.any():
        raise InputError("no reference band lies below 2 eV above the Fermi level")
    surplus = (predicted <= edge - 0.5).sum(axis=-1) - counts.sum(axis=-1)
    lacking = (reference <= edge - 0.5).sum(axis=-1) - (predicted <= edge).sum(axis=-1)
    ghosts = int(np.maximum(surplus, 0).sum() + np.maximum(lacking, 0).sum())
    return BandErrors(predicted - reference, counts, ghosts)
