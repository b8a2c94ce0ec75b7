"""Frozen layers in which electrons meet: by means, or by attention.

Both treat the two spins alike, so that exchanging all of them changes nothing; every matrix of
them lies on the chip.
"""

import abc
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.crossbar.matvec import AbstractMatVec
from rgnn.tasks.wavefunction.electrons import Spins, gather, scatter, spin_means, to_electrons
from rgnn.tasks.wavefunction.jet import Field, concatenate, exp, linear, read, reciprocal, tanh

Shape = tuple[int, int]


class Met(NamedTuple):
    """Features of electrons (…, n, n_one) and of pairs (…, n, n − 1, n_two) after a layer."""

    one: Field
    two: Field


class AbstractLayer(eqx.Module):
    """A frozen map of the features of electrons (…, n, n_one) and pairs (…, n, n − 1, n_two).

    Electrons enter the first layer as functions of their own position only and leave every layer
    as functions of all.
    """

    @property
    @abc.abstractmethod
    def moves_pairs(self) -> bool:
        """Return whether the features of pairs change."""

    @abc.abstractmethod
    def __call__(
        self, h: Field, p: Field, spins: Spins, *, key: PRNGKeyArray | None, reads: int
    ) -> Met:
        """Return the next features of electrons and pairs."""


class MeanLayer(AbstractLayer):
    """Electrons hear means: of each spin, and of their pairs with each spin.

        h_i ← tanh(s [W h_i + W_s ⟨h⟩_same + W_o ⟨h⟩_other + V_s ⟨p_ij⟩_same + V_o ⟨p_ij⟩_other])
        p_ij ← tanh(s U p_ij)

    `pair` is None in the last layer, where no layer would read it. In the first layer (`alone`)
    W_s and W_o read every electron before the mean: its derivatives are then three, not 3N. Where
    no electron shares its spin there is no W_s: W reads the same.
    """

    own: AbstractMatVec
    """(width, n_one)"""
    mean: AbstractMatVec
    """(width or 2 width, n_one): what a mean over one spin says to the other, and to its own."""
    near: AbstractMatVec
    """(width, 2 n_two): an electron's two pair means."""
    pair: AbstractMatVec | None
    scale: Float[Array, ""]
    pair_scale: Float[Array, ""]
    alone: bool = eqx.field(static=True)

    @property
    def moves_pairs(self) -> bool:
        """Return whether this is not the last layer."""
        return self.pair is not None

    def __call__(
        self, h: Field, p: Field, spins: Spins, *, key: PRNGKeyArray | None, reads: int
    ) -> Met:
        """Return the next features of electrons and pairs."""

        def through(mv: AbstractMatVec, f: Field, name: str) -> Field:
            return read(mv, f, key=None if key is None else keys.child(key, name), reads=reads)

        if self.alone:
            said = spin_means(scatter(through(self.mean, h, "mean")), spins)
        else:
            said = through(self.mean, spin_means(h, spins), "mean")
        told = linear(partial(_to_spins, width=self.own.weight.shape[0]), said)
        z = scatter(through(self.own, h, "own")) + to_electrons(told, spins)
        if spins.count > 1:
            near, around = _around(self.near, p, spins)
            z = z + through(near, around, "near")
        if self.pair is not None:
            p = tanh(through(self.pair, p, "pair") * self.pair_scale)
        return Met(tanh(z * self.scale), p)

    @staticmethod
    def shapes(
        spins: Spins, width: int, n_one: int, n_two: int, pair_width: int | None
    ) -> list[Shape]:
        """Return the (n_out, n_in) of `own`, `mean`, `near` and, with a `pair_width`, `pair`."""
        pair = [] if pair_width is None else [(pair_width, n_two)]
        told = width if spins.alone else 2 * width
        return [(width, n_one), (told, n_one), (width, 2 * n_two), *pair]

    @staticmethod
    def of(matrices: Sequence[AbstractMatVec], gain: float, *, first: bool) -> "MeanLayer":
        """Return the layer made of matrices with these `shapes`."""
        own, mean, near, *pair = matrices
        inputs = sum(mv.weight.shape[1] for mv in (own, mean, near))
        scale = _scale(own, gain / np.sqrt(inputs))
        if not pair:
            return MeanLayer(own, mean, near, None, scale, scale, first)
        pair_scale = _scale(own, gain / np.sqrt(pair[0].weight.shape[1]))
        return MeanLayer(own, mean, near, pair[0], scale, pair_scale, first)


class AttentionLayer(AbstractLayer):
    """Electrons attend to one another (as in doi 10.48550/arXiv.2211.13672), with frozen weights.

        a_ij = softmax_j(Q h_i · K h_j / √width),   m_i = Σ_j a_ij V_same|other h_j
        h_i ← tanh(s [W (h_i, m_i, ⟨p_ij⟩_same, ⟨p_ij⟩_other)])

    The values an electron hears depend on whether the other one shares its spin.
    """

    attend: AbstractMatVec
    """(4 width, n_one): queries, keys, and values for either kind of partner."""
    own: AbstractMatVec
    """(width, n_one + width + 2 n_two)"""
    scale: Float[Array, ""]
    attend_scale: Float[Array, ""]

    @property
    def moves_pairs(self) -> bool:
        """Return False."""
        return False

    def __call__(
        self, h: Field, p: Field, spins: Spins, *, key: PRNGKeyArray | None, reads: int
    ) -> Met:
        """Return the next features of electrons; pairs stay as they are."""
        h, width = scatter(h), self.own.weight.shape[0]
        read_key = None if key is None else keys.child(key, "attend")
        seen = tanh(read(self.attend, h, key=read_key, reads=reads) * self.attend_scale)
        query, k, same, other = (seen[..., i * width : (i + 1) * width] for i in range(4))
        score = (query[..., :, None, :] * k[..., None, :, :]).sum(-1) * (1 / np.sqrt(width))
        weight = exp(score)
        weight = weight * reciprocal(weight.sum(-1)[..., None])
        alike = jnp.asarray(spins.of_electron[:, None] == spins.of_electron, weight.dtype)
        own, rest = weight * alike, weight * (1 - alike)
        message = (own[..., None] * same[..., None, :, :]).sum(-2)
        message = message + (rest[..., None] * other[..., None, :, :]).sum(-2)
        around = [gather(p, _mean(mask)) for mask in (spins.same, spins.opposite)]
        read_key = None if key is None else keys.child(key, "own")
        z = read(self.own, concatenate([h, message, *around]), key=read_key, reads=reads)
        return Met(tanh(z * self.scale), p)

    @staticmethod
    def shapes(
        spins: Spins, width: int, n_one: int, n_two: int, pair_width: int | None
    ) -> list[Shape]:
        """Return the (n_out, n_in) of `attend` and `own`; pairs have no matrix here."""
        return [(4 * width, n_one), (width, n_one + width + 2 * n_two)]

    @staticmethod
    def of(matrices: Sequence[AbstractMatVec], gain: float, *, first: bool) -> "AttentionLayer":
        """Return the layer made of matrices with these `shapes`."""
        attend, own = matrices
        scales = (_scale(own, gain / np.sqrt(mv.weight.shape[1])) for mv in (own, attend))
        return AttentionLayer(attend, own, *scales)


def _to_spins(message: Float[Array, "*batch 2 n"], width: int) -> Float[Array, "*batch 2 m"]:
    """Return what each spin hears: `width` from the other's mean, the rest from its own."""
    opposite, same = message[..., ::-1, :width], message[..., width:]
    return opposite + same if same.shape[-1] else opposite


def _around(mv: AbstractMatVec, p: Field, spins: Spins) -> tuple[AbstractMatVec, Field]:
    """Return the part of `mv` that pair means drive, and the means; absent kinds drive nothing."""
    n_two = p.shape[-1]
    masks = [(k, mask) for k, mask in enumerate((spins.same, spins.opposite)) if mask.any()]
    first, last = masks[0][0], masks[-1][0]
    around = [gather(p, _mean(mask)) for _, mask in masks]
    return mv.driven(first * n_two, (last + 1) * n_two), concatenate(around)


def _mean(mask: Float[np.ndarray, "n n_partner"]) -> Float[np.ndarray, "n n_partner"]:
    return mask / np.maximum(mask.sum(1, keepdims=True), 1)


def _scale(like: AbstractMatVec, factor: float) -> Float[Array, ""]:
    return jnp.asarray(factor, like.weight.dtype)
