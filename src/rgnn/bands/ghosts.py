"""Ghost states: levels that errors of H make out of nearly dependent orbitals, and their removal.

Along an eigenvector of S with a small eigenvalue s an error of H is divided by s: it can pull a
level by electronvolts, down among the occupied ones. True levels around and below the Fermi level
hardly touch such directions – they oscillate and lie far up – while a ghost lives in them, on its
own or mixed into many levels. Occupations of these directions tell the two apart without any
reference: at most 0.0025 in OpenMX's graphene, 0.5 to 1 for ghosts.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Complex, Float

FLOOR = 0.01
"""Overlap eigenvalues below this count as small."""

OCCUPATION = 0.1
"""Occupation of such a direction that only ghosts reach."""

Matrix = Complex[np.ndarray, "n n"] | Float[np.ndarray, "n n"]


@dataclass(frozen=True)
class GhostFilter:
    """Which directions are taken out of the basis."""

    ceiling: float
    """Levels below this energy [eV] are searched for ghosts; above, true ones may be alike."""
    floor: float = FLOOR
    """Directions with overlap eigenvalues below this are suspected; 0 suspects none."""
    occupation: float = OCCUPATION
    """A suspected direction goes if levels below the ceiling fill it so far; at 0 all go."""

    def levels(self, h: Matrix, s: Matrix) -> Float[np.ndarray, " n"]:
        """Return the eigenvalues [eV], ascending; directions taken out stand at +∞.

        Raises LinAlgError where `s` is not positive definite.
        """
        values, vectors = scipy.linalg.eigh(s, subset_by_value=(-np.inf, self.floor))
        if not len(values) or values[0] <= 0:
            return scipy.linalg.eigh(h, s, eigvals_only=True, check_finite=False)
        suspects = vectors * np.sqrt(values)  # cᴴ suspects: what a level c has of each of them
        found, basis = scipy.linalg.eigh(h, s, check_finite=False)
        while True:
            filled = suspects.conj().T @ basis[:, found < self.ceiling]
            occupation, directions = np.linalg.eigh(filled @ filled.conj().T)
            ghosts = directions[:, np.maximum(occupation, 0) >= self.occupation]
            if not ghosts.shape[1]:
                missing = len(s) - len(found)
                return np.concatenate([found, np.full(missing, np.inf)])
            kept = _without(basis, suspects @ ghosts)
            found, inner = np.linalg.eigh(kept.conj().T @ h @ kept)
            basis, suspects = kept @ inner, suspects @ _complement(ghosts)


def _without(basis: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Return S-orthonormal combinations of `basis` that have nothing of `removed`."""
    return basis @ _complement(basis.conj().T @ removed)


def _complement(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of all that is orthogonal to independent `columns`."""
    rotation, _ = np.linalg.qr(columns, mode="complete")
    return rotation[:, columns.shape[1] :]
