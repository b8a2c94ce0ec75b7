"""The trained part: ridge regressions with several targets, as running sums over folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve

from rgnn.core.errors import InputError

_LEAST = 1e-13
"""Strength of a ridge below which rounding errors decide, in units of the mean Gram diagonal."""


class Sums:
    """Σ xᵀx, Σ xᵀy and Σ y² of each fold, in float64."""

    def __init__(self, n_feature: int, n_target: int, folds: int):
        self.matrix = np.zeros((folds, n_feature, n_feature))
        self.moment = np.zeros((folds, n_feature, n_target))
        self.square = np.zeros((folds, n_target))
        self.count = np.zeros(folds, int)

    def add(
        self, fold: int, rows: Float[np.ndarray, "n x"], targets: Float[np.ndarray, "n y"]
    ) -> None:
        """Add rows x and targets y to a fold."""
        self.matrix[fold] += rows.T @ rows
        self.moment[fold] += rows.T @ targets
        self.square[fold] += np.square(targets).sum(axis=0)
        self.count[fold] += len(rows)


@dataclass(frozen=True, eq=False)
class Ridge:
    """Fitted weights and how well they do on folds left out of the fit."""

    weights: Float[np.ndarray, "n_feature n_target"]
    alpha: float
    rmse: float
    """Root of the mean squared error [target unit] of the folds left out."""
    inverse: Float[np.ndarray, "n_feature n_feature"] | None = None
    """(Σ xᵀx + α)⁻¹, where error bars are wanted."""

    def leverage(self, rows: Float[np.ndarray, "n x"]) -> Float[np.ndarray, " n"]:
        """Return x (Σ xᵀx + α)⁻¹ xᵀ: below 1 inside the training data, large outside."""
        if self.inverse is None:
            raise ValueError("this ridge was solved without its inverse")
        return np.einsum("ni,ij,nj->n", rows, self.inverse, rows, optimize=True)

    def deviation(self, rows: Float[np.ndarray, "n x"]) -> Float[np.ndarray, " n"]:
        """Return the standard deviation [target unit] of predictions for `rows`."""
        return self.rmse * np.sqrt(1 + np.maximum(self.leverage(rows), 0))


def solve(
    sums: Sums,
    alphas: Sequence[float],
    strengths: Float[np.ndarray, " n_feature"],
    *,
    error_bars: bool = False,
) -> Ridge:
    """Return the ridge with the strength that predicts left-out folds best.

    Features are scaled to unit root mean square (never by less than a thousandth of the median,
    so that features that vanish by symmetry stay small); strengths are relative to the mean of
    the Gram diagonal, and that of every feature is `strengths` times the common one. Every fold's
    error follows from its own sums.
    """
    matrix, moment = sums.matrix.sum(axis=0), sums.moment.sum(axis=0)
    scale = _scale(matrix, int(sums.count.sum()))
    used = np.flatnonzero(sums.count)
    errors = np.zeros(len(alphas))
    if len(used) > 1:
        for fold in used.tolist():
            rest = matrix - sums.matrix[fold], moment - sums.moment[fold]
            for n, alpha in enumerate(alphas):
                weights = _weights(*rest, scale, alpha * strengths)
                errors[n] += np.inf if weights is None else _fold_error(sums, fold, weights)
    else:  # nothing to leave out: the strength that is best for most sets
        errors[:] = np.abs(np.log(np.asarray(alphas) / 1e-5))
    best = int(np.argmin(errors))
    rows = max(int(sums.count.sum()) * sums.square.shape[1], 1)
    weights = _weights(matrix, moment, scale, alphas[best] * strengths)
    if weights is None or not np.isfinite(errors[best]):
        raise InputError(
            f"the ridge with alpha = {alphas[best]:g} is singular; use larger readout.alphas"
        )
    rmse = float(np.sqrt(max(errors[best], 0.0) / rows))
    unit = np.eye(len(matrix))
    inverse = _weights(matrix, unit, scale, alphas[best] * strengths) if error_bars else None
    return Ridge(weights, alphas[best], rmse, inverse)


def _scale(matrix: np.ndarray, count: int) -> Float[np.ndarray, " n"]:
    root = np.sqrt(np.diag(matrix) / max(count, 1))
    return np.maximum(root, 1e-3 * np.median(root) + 1e-12)


def _weights(
    matrix: np.ndarray, moment: np.ndarray, scale: np.ndarray, strengths: np.ndarray
) -> Float[np.ndarray, "n_feature n_target"] | None:
    """Return the weights, or None where the matrix is singular to rounding."""
    scaled = matrix / scale[:, None] / scale
    mean = np.trace(scaled) / len(scaled)
    scaled[np.diag_indices_from(scaled)] += np.maximum(strengths, _LEAST) * mean + 1e-300
    try:
        factor = cho_factor(scaled, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    return cho_solve(factor, moment / scale[:, None], check_finite=False) / scale[:, None]


def _fold_error(sums: Sums, fold: int, weights: np.ndarray) -> float:
    """Return Σ (y − x w)² of a fold."""
    cross = 2 * np.sum(weights * sums.moment[fold])
    quadratic = np.sum(weights * (sums.matrix[fold] @ weights))
    return float(sums.square[fold].sum() - cross + quadratic)
