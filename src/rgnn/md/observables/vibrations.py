"""Velocity autocorrelation and the vibrational density of states."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Vibrations:
    """How velocities remember themselves, in time and in frequency."""

    lag_ps: Float[np.ndarray, " n_lag"]
    autocorrelation: Float[np.ndarray, " n_lag"]
    """Σ m v(t₀)·v(t₀ + t), averaged over origins; 1 at lag 0."""
    frequency_THz: Float[np.ndarray, " n_frequency"]
    density_per_THz: Float[np.ndarray, " n_frequency"]
    """Mass-weighted density of states; integrates to 1 up to the Nyquist frequency."""


def vibrations(
    velocities: Float[np.ndarray, "n_frame n_atom 3"],
    masses: Float[np.ndarray, " n_atom"],
    frame_ps: float,
    *,
    lag_fraction: float = 0.25,
) -> Vibrations:
    """Return the velocity autocorrelation up to `lag_fraction` of the run, and its spectrum.

    The spectrum is the cosine transform of the autocorrelation under a Hann taper
    (Wiener–Khinchin); frames must come at least twice per period of the fastest vibration.
    """
    n_frame = len(velocities)
    n_lag = int(lag_fraction * n_frame)
    if n_lag < 8:
        raise InputError(f"vibrations need at least {8 / lag_fraction:.0f} frames, got {n_frame}")
    correlation = np.zeros(n_frame)
    for atom, mass in enumerate(masses):
        power = np.abs(np.fft.rfft(velocities[:, atom], 2 * n_frame, axis=0)) ** 2
        correlation += mass * np.fft.irfft(power.sum(axis=1))[:n_frame]
    correlation = (correlation / np.arange(n_frame, 0, -1))[:n_lag]
    if correlation[0] <= 0:
        raise InputError("the trajectory carries no velocities; vibrations cannot be read from it")
    correlation /= correlation[0]
    taper = np.cos(np.pi / 2 * np.arange(n_lag) / n_lag) ** 2
    even = np.concatenate([correlation * taper, [0.0], (correlation * taper)[:0:-1]])
    density = np.maximum(np.fft.rfft(even).real, 0.0)
    frequency = np.fft.rfftfreq(len(even), frame_ps)
    return Vibrations(
        np.arange(n_lag) * frame_ps,
        correlation,
        frequency,
        density / np.trapezoid(density, frequency),
    )
