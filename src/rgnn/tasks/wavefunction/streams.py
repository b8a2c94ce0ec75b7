"""Frozen one- and two-electron streams: every matrix of them lies on the chip.

First each electron is embedded alone, h_i = tanh(s E t_i): features that no other electron moves,
from which orbitals are made. Then every layer reads an electron's own features, the means over
electrons of the same and of the other spin, and the means over its pairs with either:

    h_i ← tanh(s [W h_i + W_s ⟨h⟩_same + W_o ⟨h⟩_other + V_s ⟨p_ij⟩_same + V_o ⟨p_ij⟩_other])
    p_ij ← tanh(s U p_ij)

(FermiNet: doi 10.1103/PhysRevResearch.2.033429, here without a trained weight). The network treats
the two spins alike, so exchanging all of them changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.crossbar.build import Periphery, cut, mount
from rgnn.crossbar.matvec import AbstractMatVec
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction.electrons import Spins, gather, scatter
from rgnn.tasks.wavefunction.features import COUNT_TWO
from rgnn.tasks.wavefunction.jet import Field, concatenate, linear, read, tanh


class Features(NamedTuple):
    """What the readouts see of every electron (…, n, n_one) and of its pairs (…, n, n_two)."""

    one: Field
    two: Field


@dataclass(frozen=True)
class Size:
    """Width and number of the frozen layers."""

    width: int | None = None
    """None: chosen by the number of electrons."""
    pair_width: int = 32
    layers: int = 2
    """Layers in which electrons meet, after the embedding."""
    embedding_gain: float = 1.5
    gain: float = 0.8
    """Standard deviation of a neuron's input when its inputs have unit size."""


class Layer(eqx.Module):
    """One frozen layer; `pair` is None in the last one, where no layer would read it."""

    own: AbstractMatVec
    """(width, n_one + 2 n_two): an electron's features and its two pair means."""
    mean: AbstractMatVec
    """(2 width, n_one): what a mean over one spin says to that spin, and to the other."""
    pair: AbstractMatVec | None
    scale: Float[Array, ""]
    pair_scale: Float[Array, ""]

    def __call__(
        self, h: Field, p: Field, spins: Spins, *, key: PRNGKeyArray | None, reads: int
    ) -> Features:
        """Return the next features of electrons and pairs."""

        def through(mv: AbstractMatVec, f: Field, name: str) -> Field:
            return read(mv, f, key=None if key is None else keys.child(key, name), reads=reads)

        mean = jnp.asarray(spins.mean, h.dtype)
        means = linear(lambda f: jnp.einsum("sn,...nf->...sf", mean, f), h)
        field = linear(_to_spins, through(self.mean, means, "mean"))
        around = [gather(p, _mean(mask)) for mask in (spins.same, spins.opposite)]
        z = through(self.own, concatenate([h, *around]), "own")
        z = z + field[..., spins.of_electron, :]
        if self.pair is not None:
            p = tanh(through(self.pair, p, "pair") * self.pair_scale)
        return Features(tanh(z * self.scale), p)


class Streams(eqx.Module):
    """An embedding and a stack of frozen layers; the readouts see all of their outputs."""

    embedding: AbstractMatVec
    embedding_scale: Float[Array, ""]
    layers: tuple[Layer, ...]
    spins: Spins = eqx.field(static=True)

    def __call__(self, t: Field, p: Field, *, key: PRNGKeyArray | None, reads: int = 1) -> Features:
        """Return inputs and every layer's features side by side.

        `t` are functions of each electron's own position, `p` of the differences of positions.
        """
        child = None if key is None else keys.child(key, "embedding")
        alone = read(self.embedding, t, key=child, reads=reads) * self.embedding_scale
        h = scatter(concatenate([t, tanh(alone)]))
        seen = [h]
        for number, layer in enumerate(self.layers):
            child = None if key is None else keys.child(key, "layer", number)
            h, p = layer(h, p, self.spins, key=child, reads=reads)
            seen.append(h)
        pairs = [gather(p, mask) for mask in (self.spins.same, self.spins.opposite)]
        return Features(concatenate(seen), concatenate(pairs))

    @property
    def noisy(self) -> bool:
        """Return whether two reads differ."""
        return self.embedding.noisy

    @property
    def n_pair(self) -> int:
        """Return the number of features of a pair that reach the readouts."""
        pairs = [layer.pair.weight.shape[0] for layer in self.layers if layer.pair is not None]
        return pairs[-1] if pairs else COUNT_TWO

    @property
    def frozen(self) -> int:
        """Return the number of matrix entries realised on the chip."""
        stacked = (mv.weight.size for layer in self.layers for mv in _matrices(layer))
        return self.embedding.weight.size + sum(stacked)


def build(
    chip: Chip,
    periphery: Periphery,
    size: Size,
    spins: Spins,
    *,
    n_one: int,
    n_two: int,
    dtype: str,
) -> Streams:
    """Return the streams cut out of `chip` for inputs of `n_one` and `n_two` features."""
    width = size.width or WIDTH
    shapes = list(_shapes(size, n_one + width, n_two))
    flat = [shape for layer in shapes for shape in layer if shape is not None]
    blocks = iter(cut(chip, [(width, n_one), *flat]))
    mounted = partial(mount, periphery=periphery, limit=LIMIT, dtype=dtype)
    embedding = mounted(next(blocks))
    embedding_scale = jnp.asarray(size.embedding_gain / np.sqrt(n_one), dtype)
    layers = []
    for layer in shapes:
        own, mean = mounted(next(blocks)), mounted(next(blocks))
        pair = None if layer[2] is None else mounted(next(blocks))
        inputs = layer[0][1] + 2 * layer[1][1], layer[2][1] if layer[2] else 1
        scales = (jnp.asarray(size.gain / np.sqrt(n), dtype) for n in inputs)
        layers.append(Layer(own, mean, pair, *scales))
    return Streams(embedding, embedding_scale, tuple(layers), spins)


WIDTH = 32
"""Neurons of a layer where nothing else is said."""

LIMIT = 1.0
"""Range of every activation: inputs are scaled to it, hyperbolic tangents and means stay in it."""


def _shapes(size: Size, n_one: int, n_two: int) -> Iterator[tuple]:
    """Yield the (n_out, n_in) of the matrices own, mean and pair of every layer."""
    width = size.width or WIDTH
    for number in range(size.layers):
        last = number == size.layers - 1
        pair = None if last else (size.pair_width, n_two)
        yield (width, n_one + 2 * n_two), (2 * width, n_one), pair
        n_one, n_two = width, n_two if last else size.pair_width


def _matrices(layer: Layer) -> list[AbstractMatVec]:
    return [mv for mv in (layer.own, layer.mean, layer.pair) if mv is not None]


def _to_spins(message: Float[Array, "*batch 2 n"]) -> Float[Array, "*batch 2 m"]:
    """Return what each spin hears: the first half from its own mean, the second from the other."""
    same, opposite = jnp.split(message, 2, axis=-1)
    return same + opposite[..., ::-1, :]


def _mean(mask: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    return mask / np.maximum(mask.sum(1, keepdims=True), 1)
