"""Mean and spread of the inputs of the chip, measured on the training frames.

All channels of one degree (or of one class of bond states) share one unit. A combination that
hardly varies in the training frames then stays small, and the ridge gives it little weight: nothing
was learnt about it. In units of their own such channels would be blown up, and a strained cell,
where distant shells move together as in no frame of fixed cell, be predicted by noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.states import States

Densities = list[Float[np.ndarray, "n_atom _ _"]]


@dataclass(frozen=True, eq=False)
class DensityScaling:
    """Mean (of l = 0, the only one that symmetry allows) and spread of each degree."""

    mean: Float[np.ndarray, " n_channel"]
    spread: Float[np.ndarray, " n_degree"]

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        return self.mean.size + self.spread.size

    def apply(self, densities: Densities) -> Densities:
        """Return the densities without their mean, in units of their spread."""
        shifted = [densities[0] - self.mean[:, None], *densities[1:]]
        return [rho / s for rho, s in zip(shifted, self.spread, strict=True)]


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

    def finish(self) -> DensityScaling:
        """Return the scaling to unit mean square of each degree."""
        means = [m / self.count for m in self.moments]
        mean = means[0][0]
        spread = [_spread(q - mean**2 if n == 0 else q) for n, (_, q) in enumerate(means)]
        return DensityScaling(mean, np.array(spread))


@dataclass(frozen=True, eq=False)
class BondScaling:
    """Mean (of m = 0, even under the swap) and spread of each class of bond states."""

    mean: Float[np.ndarray, " n_state"]
    spread: Mapping[Channel, float]

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        return self.mean.size + len(self.spread)

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

    def finish(self) -> BondScaling:
        """Return the scaling to unit mean square of each class."""
        if not self.count:
            raise InputError("the frames hold no block between two atoms; nothing can be learnt")
        means = {channel: m / self.count for channel, m in self.moments.items()}
        mean = means[Channel(0, 1)][0]
        spread = {c: _spread(q - mean**2 if c == (0, 1) else q) for c, (_, q) in means.items()}
        return BondScaling(mean, spread)


def _spread(variance: Float[np.ndarray, " n_channel"]) -> float:
    """Return the root of the mean variance; 1 where everything vanishes by symmetry."""
    root = float(np.sqrt(np.maximum(variance, 0).mean()))
    return root if root > 1e-12 else 1.0
