"""Functions of the distance that end exactly at a cutoff."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline


def splines(
    distance: Float[np.ndarray, " n"], low: float, cutoff: float, intervals: int, degree: int
) -> Float[np.ndarray, "n n_spline"]:
    """Return uniform B-splines on [low, cutoff] that vanish at the cutoff.

    The last `degree` of them are left out, so that sums of the others vanish there together with
    degree − 1 derivatives. Below `low` they keep their value at `low`; beyond the cutoff they
    are 0.
    """
    step = (cutoff - low) / intervals
    knots = low + step * np.arange(-degree, intervals + degree + 1)
    inside = np.clip(distance, low, cutoff * (1 - 1e-12))
    values = BSpline.design_matrix(inside, knots, degree).toarray()[:, :-degree]
    return values * (distance < cutoff)[:, None]


def third_differences(n_spline: int) -> Float[np.ndarray, "n_row n_spline"]:
    """Return D with D w = third differences of w, which are small for a smooth curve."""
    return np.diff(np.eye(n_spline), n=3, axis=0)
