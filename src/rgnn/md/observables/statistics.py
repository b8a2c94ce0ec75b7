"""Energy drift and temperature, with errors that know how slowly the values change."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.core.units import MEV_PER_EV


@dataclass(frozen=True)
class Drift:
    """Slope of the conserved energy per atom."""

    meV_per_atom_per_ps: float
    stderr_meV_per_atom_per_ps: float
    rms_meV_per_atom: float
    """Scatter around the line."""


@dataclass(frozen=True)
class Temperature:
    """Mean and spread of the kinetic temperature, beside what the ensemble predicts."""

    mean_K: float
    stderr_K: float
    std_K: float
    canonical_std_K: float
    """T √(2 / degrees of freedom), the spread in the canonical ensemble; NVE has less."""


def drift(
    time_ps: Float[np.ndarray, " n_sample"],
    energy_eV: Float[np.ndarray, " n_sample"],
    n_atom: int,
) -> Drift:
    """Return the drift of `energy_eV` by linear regression.

    The standard error counts correlated residuals once: it grows by the square root of their
    statistical inefficiency over that of independent ones.
    """
    if len(time_ps) < 3:
        raise InputError(f"an energy drift needs at least 3 samples, got {len(time_ps)}")
    energy = (energy_eV - energy_eV.mean()) * MEV_PER_EV / n_atom
    time = time_ps - time_ps.mean()
    slope = float(time @ energy / (time @ time))
    rest = energy - slope * time
    variance = float(rest @ rest) / (len(rest) - 2)
    stderr = np.sqrt(variance * inefficiency(rest) / (time @ time))
    return Drift(slope, float(stderr), float(np.sqrt(np.mean(rest**2))))


def temperature(
    kelvin: Float[np.ndarray, " n_sample"], target_K: float, degrees_of_freedom: int
) -> Temperature:
    """Return mean, standard error and spread of the temperatures `kelvin`."""
    if len(kelvin) < 2:
        raise InputError(f"temperature statistics need at least 2 samples, got {len(kelvin)}")
    spread = float(np.std(kelvin, ddof=1))
    return Temperature(
        mean_K=float(kelvin.mean()),
        stderr_K=spread * float(np.sqrt(inefficiency(kelvin) / len(kelvin))),
        std_K=spread,
        canonical_std_K=target_K * float(np.sqrt(2 / degrees_of_freedom)),
    )


def inefficiency(values: Float[np.ndarray, " n_sample"]) -> float:
    """Return how many consecutive samples count as one, at least 1.

    g = 1 + 2 Σ_t (1 − t/n) ρ(t) up to the first ρ(t) ≤ 0, doi:10.1021/ct0502864 (eq. 17).
    """
    n = len(values)
    deviation = values - values.mean()
    scale = float(deviation @ deviation)
    if scale <= n * (1e-14 * float(np.abs(values).max())) ** 2:  # constant but for rounding
        return 1.0
    spectrum = np.abs(np.fft.rfft(deviation, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n] / scale * n / np.arange(n, 0, -1)
    negative = np.flatnonzero(correlation <= 0)
    end = int(negative[0]) if len(negative) else n
    lags = np.arange(1, end)
    return max(1.0, 1.0 + 2.0 * float(np.sum((1 - lags / n) * correlation[1:end])))
