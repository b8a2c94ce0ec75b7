"""Mean-square displacements and the diffusion coefficient they grow by."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError

CM2_PER_S = 1e-4
"""One Å²/ps [cm²/s]."""


@dataclass(frozen=True)
class Diffusion:
    """A self-diffusion coefficient, its error bar and the lags it was read from."""

    A2_per_ps: float
    stderr_A2_per_ps: float
    window_ps: tuple[float, float]
    exponent: float
    """d ln MSD / d ln t over the window: 1 where atoms diffuse, near 0 where they only rattle."""
    n_block: int

    @property
    def cm2_per_s(self) -> float:
        """Return the coefficient [cm²/s]."""
        return self.A2_per_ps * CM2_PER_S

    @property
    def stderr_cm2_per_s(self) -> float:
        """Return the standard error [cm²/s]."""
        return self.stderr_A2_per_ps * CM2_PER_S


def without_drift(
    positions: Float[np.ndarray, "n_frame n_atom 3"], masses: Float[np.ndarray, " n_atom"]
) -> Float[np.ndarray, "n_frame n_atom 3"]:
    """Return `positions` relative to the centre of mass of each frame."""
    centre = np.einsum("fax,a->fx", positions, masses / masses.sum())
    return positions - centre[:, None]


def mean_square_displacement(
    positions: Float[np.ndarray, "n_frame n_atom 3"],
) -> Float[np.ndarray, " n_frame"]:
    """Return ⟨|r(t₀ + t) − r(t₀)|²⟩ [Å²] per lag, over all atoms and all origins t₀.

    `positions` are unwrapped. The square splits into a running sum and an autocorrelation, which
    a zero-padded Fourier transform gives in O(n log n), doi:10.1051/sfn/201112010 (section 4.2).
    """
    n_frame = len(positions)
    total = np.zeros(n_frame)
    for start in range(0, positions.shape[1], _ATOMS_AT_ONCE):
        path = positions[:, start : start + _ATOMS_AT_ONCE].reshape(n_frame, -1)
        total += _displacements(path - path.mean(axis=0))  # small numbers cancel less
    return total / positions.shape[1]


_ATOMS_AT_ONCE = 64  # bounds the memory of the transforms


def _displacements(path: Float[np.ndarray, "n_frame n_component"]) -> Float[np.ndarray, " n_frame"]:
    """Return the squared displacement per lag, averaged over origins, summed over components."""
    n = len(path)
    origins = np.arange(n, 0, -1)
    power = np.sum(np.abs(np.fft.rfft(path, 2 * n, axis=0)) ** 2, axis=1)
    correlation = np.fft.irfft(power)[:n]
    square = np.sum(path**2, axis=1)
    # Σ_{t₀} |r(t₀)|² + |r(t₀+t)|²: both ends lose the frames that have no partner at lag t.
    lost = np.concatenate([[0.0], np.cumsum(square[:-1] + square[:0:-1])])
    displacements = (2 * square.sum() - lost - 2 * correlation) / origins
    displacements[0] = 0.0
    return np.maximum(displacements, 0.0)


def diffusion(
    positions: Float[np.ndarray, "n_frame n_atom 3"],
    frame_ps: float,
    *,
    window_ps: tuple[float, float] | None = None,
    n_block: int = 4,
) -> Diffusion:
    """Return D = slope / 6 of the mean-square displacement between the lags `window_ps`.

    The line is fitted to the whole trajectory; its error is the standard error over `n_block`
    consecutive pieces fitted alike. By default the window runs from a tenth of a piece, but at
    least 0.5 ps (past vibrations), to half of it (with enough origins left).
    """
    pieces = np.array_split(positions, n_block)
    shortest = min(map(len, pieces))
    low, high = window_ps or default_window(shortest * frame_ps)
    first, last = round(low / frame_ps), round(high / frame_ps)
    if not 0 < first < last < shortest:
        raise InputError(
            f"a diffusion coefficient from lags of {low:g} to {high:g} ps does not fit into "
            f"{n_block} blocks of {shortest * frame_ps:g} ps; run longer or move the window"
        )
    blocks = [_slope(mean_square_displacement(piece), frame_ps, first, last) for piece in pieces]
    whole = mean_square_displacement(positions)
    return Diffusion(
        A2_per_ps=_slope(whole, frame_ps, first, last) / 6,
        stderr_A2_per_ps=float(np.std(blocks, ddof=1) / np.sqrt(n_block)) / 6,
        window_ps=(first * frame_ps, last * frame_ps),
        exponent=_exponent(whole, first, last),
        n_block=n_block,
    )


def default_window(block_ps: float) -> tuple[float, float]:
    """Return the lags [ps] to fit within a block; empty (end before start) in a short one."""
    return max(0.1 * block_ps, _PAST_VIBRATIONS_PS), 0.5 * block_ps


_PAST_VIBRATIONS_PS = 0.5


def _exponent(msd: Float[np.ndarray, " n_lag"], first: int, last: int) -> float:
    lags = np.log(np.arange(first, last + 1))
    centred = lags - lags.mean()
    tiny = np.finfo(float).tiny  # atoms that never moved
    return float(centred @ np.log(np.maximum(msd[first : last + 1], tiny)) / (centred @ centred))


def _slope(msd: Float[np.ndarray, " n_lag"], frame_ps: float, first: int, last: int) -> float:
    """Return the least-squares slope [Å²/ps] between two lags, both included."""
    lags = np.arange(first, last + 1) * frame_ps
    centred = lags - lags.mean()
    return float(centred @ msd[first : last + 1] / (centred @ centred))
