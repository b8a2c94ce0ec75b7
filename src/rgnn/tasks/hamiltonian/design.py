"""Rows of the regressions: what blocks are as functions of the trained weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.tasks.hamiltonian.config import BondConfig, ReadoutConfig
from rgnn.tasks.hamiltonian.distance import splines
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.reservoir import Shapes, atom_widths, bond_widths


@dataclass(frozen=True)
class Reach:
    """Shortest bond seen and distance at which blocks end [Å]."""

    shortest: float
    cutoff: float

    def decay(self, distance: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return (1 − r/cutoff)², the factor every block carries: exactly 0 from there on."""
        return np.clip(1 - distance / self.cutoff, 0, 1) ** 2


def bond_rows(
    features: Mapping[Channel, np.ndarray],
    distance: Float[np.ndarray, " n_bond"],
    reach: Reach,
    channel: Channel,
    config: BondConfig,
) -> Float[np.ndarray, "n_row n_column"]:
    """Return the design of one channel: real parts of all bonds, then imaginary parts.

    Weights are piecewise linear functions of the distance; channel m = 0 has a finer part that
    knows the distance alone, as the steps from each coefficient to the next: where no training bond
    is that long, the ridge then bridges the gap instead of pulling the curve to 0 in it. With
    swap 0 (two elements) features of both swap signs serve.
    """
    values = np.concatenate([features[c] for c in _serving(channel) if c in features], axis=1)
    low = reach.shortest - 0.1
    decay = reach.decay(distance)[:, None]
    hats = decay * splines(distance, low, reach.cutoff, config.knots, 1)
    rows = (hats[:, :, None] * values[:, None, :]).reshape(len(values), -1)
    if channel.m:
        return np.concatenate([np.real(rows), np.imag(rows)])
    if not _two_centre(channel):
        return np.ascontiguousarray(np.real(rows))
    fine = splines(distance, low, reach.cutoff, config.two_centre_knots, 2)
    return np.concatenate([decay * np.cumsum(fine, axis=1), np.real(rows)], axis=1)


def bond_strengths(
    shapes: Shapes, channel: Channel, bond: BondConfig, readout: ReadoutConfig
) -> Float[np.ndarray, " n_column"]:
    """Return the relative strength of the ridge for every column of `bond_rows`."""
    widths = [bond_widths(shapes, c) for c in _serving(channel)]
    varying = np.tile(np.concatenate([_of_features(w, readout) for w in widths]), bond.knots)
    if not _two_centre(channel):
        return varying
    return np.concatenate([np.full(bond.two_centre_knots, readout.two_centre), varying])


def atom_strengths(
    shapes: Shapes, degree: int, readout: ReadoutConfig
) -> Float[np.ndarray, " n_column"]:
    """Return the relative strength of the ridge for every column of `atom_rows`."""
    varying = _of_features(atom_widths(shapes, degree), readout)
    return varying if degree else np.append(varying, readout.two_centre)


def _of_features(widths: tuple[int, int], readout: ReadoutConfig) -> np.ndarray:
    return np.repeat([1.0, readout.products], widths)


def _serving(channel: Channel) -> list[Channel]:
    """Return the classes of features that a channel of targets depends on."""
    return [Channel(channel.m, swap) for swap in ((channel.swap,) if channel.swap else (1, -1))]


def _two_centre(channel: Channel) -> bool:
    """Return whether the distance alone can tell something about a channel."""
    return channel.m == 0 and channel.swap >= 0


def as_rows(values: np.ndarray, m: int) -> Float[np.ndarray, "n_row n_target"]:
    """Return complex targets as the rows that belong to `bond_rows`."""
    return np.concatenate([np.real(values), np.imag(values)]) if m else np.real(values)


def from_rows(rows: np.ndarray, m: int) -> np.ndarray:
    """Return rows as complex numbers; the inverse of `as_rows`."""
    half = len(rows) // 2
    return rows[:half] + 1j * rows[half:] if m else rows + 0j


def atom_rows(
    features: Float[np.ndarray, "n_atom n_feature component"], degree: int
) -> Float[np.ndarray, "n_row n_column"]:
    """Return the design of on-site irreps of one degree: a row for every atom and component."""
    rows = np.swapaxes(features, 1, 2).reshape(-1, features.shape[1])
    if degree:
        return rows
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
