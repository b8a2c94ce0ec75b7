"""Mean and spread of every input of the chip, measured on the training frames.

The k-th radial function is driven more weakly by k^`roughness`. A ridge penalises what comes out
of small inputs more, so that this is a prior: blocks vary slowly with distances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.states import States

Densities = list[Float[np.ndarray, "n_atom _ _"]]


@dataclass(frozen=True, eq=False)
class DensityScaling:
    """Mean (of l = 0, the only one that symmetry allows) and spread of densities."""

    mean: Float[np.ndarray, " n_channel"]
    spread: Sequence[Float[np.ndarray, " _"]]

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        return self.mean.size + sum(s.size for s in self.spread)

    def apply(self, densities: Densities) -> Densities:
        """Return the densities without their mean, in units of their spread."""
        shifted = [densities[0] - self.mean[:, None], *densities[1:]]
        return [rho / s[:, None] for rho, s in zip(shifted, self.spread, strict=True)]


@dataclass(frozen=True, eq=False)
class AtomScaling:
    """Scaling of the densities around atoms; messages are made of the scaled long-reach ones."""

    far: DensityScaling
    near: DensityScaling
    message: DensityScaling

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        return self.far.size + self.near.size + self.message.size


class DensityMoments:
    """Running first and second moments of densities."""

    def __init__(self) -> None:
        self.count = 0
        self.moments: list[np.ndarray] = []

    def add(self, densities: Densities) -> None:
        """Add the densities around some atoms."""
        self.count += len(densities[0])
        found = [
            np.stack([rho.sum(axis=(0, 2)), np.square(rho).mean(axis=2).sum(axis=0)])
            for rho in densities
        ]
        old = self.moments or [np.zeros_like(m) for m in found]
        self.moments = [m + o for m, o in zip(found, old, strict=True)]

    def finish(self, weaker: Float[np.ndarray, " n_channel"]) -> DensityScaling:
        """Return the scaling that drives channels `weaker` than at unit variance."""
        means = [m / self.count for m in self.moments]
        mean = means[0][0]
        spread = [_spread(q - mean**2 if n == 0 else q) for n, (_, q) in enumerate(means)]
        return DensityScaling(mean, [s * weaker for s in spread])


@dataclass(frozen=True, eq=False)
class BondScaling:
    """Mean (of m = 0, even under the swap) and spread of the states of bonds."""

    mean: Float[np.ndarray, " n_state"]
    spread: Mapping[Channel, Float[np.ndarray, " _"]]

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        return self.mean.size + sum(s.size for s in self.spread.values())

    def apply(self, states: States) -> States:
        """Return the states without their mean, in units of their spread."""
        return {
            channel: (x - (self.mean if channel == (0, 1) else 0)) / self.spread[channel]
            for channel, x in states.items()
        }


class BondMoments:
    """Running first and second moments of the states of bonds."""

    def __init__(self) -> None:
        self.count = 0
        self.moments: dict[Channel, np.ndarray] = {}

    def add(self, states: States) -> None:
        """Add the states of some bonds."""
        self.count += len(next(iter(states.values())))
        for channel, x in states.items():
            found = np.stack([np.real(x).sum(axis=0), np.square(np.abs(x)).sum(axis=0)])
            self.moments[channel] = self.moments.get(channel, 0.0) + found

    def finish(self, weaker: Mapping[Channel, Float[np.ndarray, " _"]]) -> BondScaling:
        """Return the scaling that drives states `weaker` than at unit variance."""
        if not self.count:
            raise InputError("the frames hold no block between two atoms; nothing can be learnt")
        means = {channel: m / self.count for channel, m in self.moments.items()}
        mean = means[Channel(0, 1)][0]
        spread = {c: _spread(q - mean**2 if c == (0, 1) else q) for c, (_, q) in means.items()}
        return BondScaling(mean, {c: s * weaker[c] for c, s in spread.items()})


def _spread(variance: np.ndarray) -> np.ndarray:
    """Return standard deviations; those that vanish by symmetry are kept from exploding."""
    root = np.sqrt(np.maximum(variance, 0))
    return np.maximum(root, 1e-3 * np.median(root) + 1e-9)
