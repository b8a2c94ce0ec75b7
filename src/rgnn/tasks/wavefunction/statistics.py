"""Honest error bars of correlated samples: blocking and autocorrelation time."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Estimate(NamedTuple):
    """A mean, its standard error and the integrated autocorrelation time in samples."""

    mean: float
    stderr: float
    correlation_time: float


def estimate(series: Float[np.ndarray, "time walker"]) -> Estimate:
    """Return the mean over independent walkers followed in time.

    The error bar is the plateau of Flyvbjerg and Petersen's blocking (doi 10.1063/1.457480) of the
    mean over walkers: the largest error whose own uncertainty is below a quarter.
    """
    means = series.mean(axis=1)
    naive = float(np.sqrt(series.var() / series.size))
    error = max([naive, *blocked_errors(means)])
    return Estimate(float(means.mean()), error, correlation_time(series))


def blocked_errors(series: Float[np.ndarray, " time"], *, least: int = 10) -> list[float]:
    """Return the standard error of the mean for blocks of 1, 2, 4, … while `least` blocks exist."""
    errors = []
    while len(series) >= least:
        errors.append(float(series.std(ddof=1) / np.sqrt(len(series))))
        series = 0.5 * (series[: len(series) // 2 * 2 : 2] + series[1 : len(series) // 2 * 2 : 2])
    return errors


def correlation_time(series: Float[np.ndarray, "time walker"], *, window: float = 5.0) -> float:
    """Return τ = 1 + 2 Σ_t ρ(t) [samples], summed up to `window` τ (Sokal's rule)."""
    centred = series - series.mean()
    power = float((centred**2).mean())
    tau = 1.0
    for lag in range(1, len(series) // 2):
        tau += 2 * float((centred[:-lag] * centred[lag:]).mean()) / max(power, 1e-300)
        if lag >= window * tau:
            break
    return max(tau, 1.0)
