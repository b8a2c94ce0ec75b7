"""A gated readout: the trained last layer of the network.

One trained scalar per atom, the gate h, decides how much a second readout of the same frozen
features counts:

    E_i = w · φ_i + h_i u · (φ_i − φ̄),        h_i = v · φ_i^low − c.

The product of two readouts doubles the body order for one more dot product per atom; nothing is
read twice. Energies and forces are linear in (w, u) at fixed v and in (w, v) at fixed u, so that a
gated network looks like a linear one with more features: φ, and h times some of them. That is what
`Gated` is: everything that trains, judges or evaluates linear readouts works on it unchanged.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rgnn.reservoir.reservoir import Activation, Design, PairGradient, Reservoir, Surroundings


class Gate(NamedTuple):
    """What the gate is read from: the first features of an atom, element by element."""

    weights: Float[np.ndarray, "n_species n_gate"]
    centre: Float[np.ndarray, " n_species"]

    @property
    def size(self) -> int:
        """Return how many trained numbers these are."""
        return self.weights.size + self.centre.size

    def of(
        self,
        features: Float[np.ndarray, "n_atom n_feature"],
        species: Int[np.ndarray, " n_atom"],
    ) -> Float[np.ndarray, " n_atom"]:
        """Return the gate of every atom."""
        read = self.weights[species] * features[:, : self.weights.shape[1]]
        return read.sum(axis=1) - self.centre[species]


class Gated(eqx.Module):
    """A frozen network whose features are followed by the first of them times a trained gate."""

    network: Reservoir
    weights: Float[Array, "n_species n_gate"]
    centre: Float[Array, " n_species"]
    mean: Float[Array, "n_species n_opened"]
    """What the features behind the gate are counted from."""

    @property
    def n_feature(self) -> int:
        """Return how many features a readout of this network has."""
        return self.network.n_feature + self.mean.shape[1]

    @property
    def noisy(self) -> bool:
        """Return whether two reads differ."""
        return self.network.noisy

    def design(self, around: Surroundings, *, key: PRNGKeyArray | None = None) -> Design:
        """Return the features and their derivatives by the vectors to the neighbours [1/Å]."""
        own = self.network.design(around, key=key)
        h, opened = self._gate(own.invariants, around)
        weights, behind = self.weights[around.full.species], self.mean.shape[1]
        moves = jnp.einsum("ijxf,if->ijx", own.full[..., : weights.shape[1]], weights)
        gated = h[:, None, None, None] * own.full[..., :behind]
        gated = gated + moves[..., None] * opened[:, None, None]
        return Design(
            jnp.concatenate([own.invariants, h[:, None] * opened], axis=-1),
            jnp.concatenate([own.full, gated], axis=-1),
            None,
        )

    def energies_and_gradient(
        self,
        around: Surroundings,
        weights: Float[Array, "n_species n_feature"],
        *,
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, " n_atom"], PairGradient]:
        """Return site energies and the derivatives of their sum by all pair vectors."""
        return self._read(self.network.activate(around, key), around, weights, key)

    def spread(
        self, around: Surroundings, weights: Float[Array, "k n_species n_feature"]
    ) -> tuple[Float[Array, "k n_atom"], PairGradient]:
        """Return energies and gradients of several readouts on one noise-free activation."""
        a = self.network.activate(around, None)
        return jax.lax.map(lambda w: self._read(a, around, w, None), weights)

    def _read(
        self,
        a: Activation,
        around: Surroundings,
        weights: Float[Array, "n_species n_feature"],
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, " n_atom"], PairGradient]:
        species, n = around.full.species, self.network.n_feature
        h, opened = self._gate(a.invariants, around)
        always, behind = weights[species, :n], weights[species, n:]
        amount = jnp.sum(behind * opened, axis=-1)
        energies = jnp.sum(always * a.invariants, axis=-1) + h * amount
        # ∂E_i/∂φ_i: behind the gate, and through it
        slope = always.at[:, : behind.shape[1]].add(h[:, None] * behind)
        through = self.weights[species] * amount[:, None]
        slope = slope.at[:, : through.shape[1]].add(through)
        return energies, self.network.pull(a, around, slope, key)

    def _gate(
        self, features: Float[Array, "n_atom n_feature"], around: Surroundings
    ) -> tuple[Float[Array, " n_atom"], Float[Array, "n_atom n_opened"]]:
        """Return the gate of every atom, and the features behind it."""
        species = around.full.species
        weights = self.weights[species]
        h = jnp.sum(weights * features[:, : weights.shape[1]], axis=-1) - self.centre[species]
        return h, features[:, : self.mean.shape[1]] - self.mean[species]


Network = Reservoir | Gated
"""What a readout can be trained on."""


def gated(
    network: Reservoir, gate: Gate, mean: Float[np.ndarray, "n_species n_opened"] | None = None
) -> Gated:
    """Return the network with as many of its features behind a gate as `mean` has columns.

    Without a mean all of them are, counted from zero.
    """
    dtype = network.layer.decay.dtype
    if mean is None:
        mean = np.zeros((len(gate.centre), network.n_feature))
    return Gated(network, *(jnp.asarray(array, dtype) for array in (*gate, mean)))


def wider(
    kinds: Int[np.ndarray, " n_feature"], n_opened: int
) -> Int[np.ndarray, " n_feature_and_opened"]:
    """Return the kinds of the features of a gated network: behind a gate they are other ones."""
    return np.concatenate([kinds, kinds.max() + 1 + kinds[:n_opened]])
