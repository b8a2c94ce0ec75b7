"""Leaving frames out in closed form: honest errors without a validation set.

For rows X_b of one frame, whitened by the noise, the residual the model would show had it never
seen them is (1 − H)⁻¹ r with H = X_b A⁻¹ X_bᵀ and r the residual of the full fit (Sherman–Morrison–
Woodbury). The variance the left-out posterior gives these rows is H (1 − H)⁻¹.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from rgnn.readout.ridge import Posterior


class LeftOut(NamedTuple):
    """Errors on rows left out, and the variance the posterior without them predicts."""

    error: Float[np.ndarray, " n_row"]
    variance: Float[np.ndarray, " n_row"]


def leave_out(
    posterior: Posterior,
    rows: Float[np.ndarray, "n_row n"],
    targets: Float[np.ndarray, " n_row"],
    noise_std: float,
) -> LeftOut:
    """Return errors (targets − prediction) and variances for one frame's rows left out."""
    whitened = rows / noise_std
    half = posterior.whitened(whitened.T)
    hat = half.T @ half
    rest = np.eye(len(hat)) - hat
    error = np.linalg.solve(rest, targets - rows @ posterior.weights)
    variance = noise_std**2 * np.diagonal(np.linalg.solve(rest, hat))
    return LeftOut(error, np.maximum(variance, 0.0))


def calibrate(
    found: LeftOut, groups: Sequence[int] | np.ndarray, n_group: int
) -> tuple[float, Float[np.ndarray, " n_group"]]:
    """Return (c, σ_g) so that errors are distributed as N(0, c² variance + σ_g²).

    c scales the posterior's own error bar, σ_g is what it cannot know of: the misfit of a finite
    network and the noise of labels and reads, by group (element). Maximum likelihood.
    """
    groups = np.asarray(groups)
    typical = np.array([_rms(found.error[groups == g]) for g in range(n_group)])
    typical = np.where(typical > 0, typical, max(_rms(found.error), 1e-12))

    def cost(logs: np.ndarray) -> float:
        c, sigma = np.exp(logs[0]), np.exp(logs[1:])
        total = c**2 * found.variance + sigma[groups] ** 2
        return float(np.mean(np.log(total) + found.error**2 / total))

    start = np.concatenate([[0.0], np.log(0.7 * typical)])
    bounds = [(-2.5, 2.5)] + [(np.log(1e-3 * t), np.log(1.2 * t)) for t in typical]
    best = minimize(cost, start, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(best[0])), np.exp(best[1:])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
