"""Frozen streams from electron positions to features: an embedding and a stack of layers.

First each electron is embedded alone, h_i = tanh(s E t_i): features that no other electron moves,
from which orbitals are made. Each pair is embedded with its place, as two electrons avoid one
another differently in a core and in a bond: p_ij = tanh(s U t_ij + s′ (V t_i + V′ t_j)). Then
layers let electrons meet; the readouts see the outputs of all
(FermiNet: doi 10.1103/PhysRevResearch.2.033429, here without a trained weight).
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery, cut, mount
from rgnn.crossbar.matvec import AbstractMatVec
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction.electrons import Spins, pair
from rgnn.tasks.wavefunction.jet import Field, concatenate, read, tanh
from rgnn.tasks.wavefunction.layers import AbstractLayer, AttentionLayer, MeanLayer

KINDS: dict[str, type[MeanLayer] | type[AttentionLayer]] = {
    "means": MeanLayer,
    "attention": AttentionLayer,
}


@dataclass(frozen=True)
class Size:
    """Kind, width and number of the frozen layers."""

    kind: Literal["means", "attention"] = "means"
    """How electrons meet."""
    width: int | None = None
    """None: chosen by the number of electrons."""
    pair_width: int = 32
    layers: int = 2
    """Layers in which electrons meet, after the embedding."""
    embedding_gain: float = 0.6
    """Standard deviation of a neuron's input when its inputs have unit size, in the embedding:
    smooth features leave a lower variance than rough ones."""
    gain: float = 0.8
    """The same in the layers."""

    def __post_init__(self) -> None:
        if min(self.width or 1, self.pair_width, self.layers) < 1:
            raise InputError("width, pair_width and layers must be at least 1")


class Features(NamedTuple):
    """All that the readouts see, block by block; every block ends in the axis of its features."""

    alone: Field
    """(…, n, feature): inputs and embedding, functions of each electron's own position."""
    met: tuple[Field, ...]
    """(…, n, feature) of every layer, functions of all positions."""
    pairs: tuple[Field, ...]
    """(…, n, n − 1, feature), functions of the positions of two electrons."""


class Streams(eqx.Module):
    """An embedding and a stack of frozen layers; the readouts see all of their outputs."""

    embedding: AbstractMatVec
    embedding_scale: Float[Array, ""]
    between: AbstractMatVec
    """(pair_width, n_two): what a pair is told of its difference."""
    place: AbstractMatVec
    """(2 pair_width, n_one): what it is told of its first and of its second electron."""
    pair_scale: Float[Array, "2"]
    layers: tuple[AbstractLayer, ...]
    spins: Spins = eqx.field(static=True)
    n_pair: int = eqx.field(static=True)
    """Features of a pair that reach the readouts."""

    def __call__(self, t: Field, p: Field, *, key: PRNGKeyArray | None, reads: int = 1) -> Features:
        """Return inputs and every layer's features.

        `t` are functions of each electron's own position, `p` of the differences of positions.
        """
        child = None if key is None else keys.child(key, "embedding")
        alone = read(self.embedding, t, key=child, reads=reads) * self.embedding_scale
        h = first = concatenate([t, tanh(alone)])
        p = self._pairs(t, p, key=None if key is None else keys.child(key, "pairs"), reads=reads)
        met, pairs = [], [p]
        for number, layer in enumerate(self.layers):
            child = None if key is None else keys.child(key, "layer", number)
            h, p = layer(h, p, self.spins, key=child, reads=reads)
            met.append(h)
            if layer.moves_pairs:
                pairs.append(p)
        return Features(first, tuple(met), tuple(pairs))

    def _pairs(self, t: Field, p: Field, *, key: PRNGKeyArray | None, reads: int) -> Field:
        """Return the first features of every pair."""
        names = ("between", "place")
        between, place = (
            read(mv, f, key=None if key is None else keys.child(key, name), reads=reads) * scale
            for mv, f, name, scale in zip(
                (self.between, self.place), (p, t), names, self.pair_scale, strict=True
            )
        )
        width = self.between.weight.shape[0]
        return tanh(pair(between, place[..., :width], place[..., width:]))

    @property
    def noisy(self) -> bool:
        """Return whether two reads differ."""
        return self.embedding.noisy

    @property
    def reads_per_energy(self) -> int:
        """Return how often an array in which electrons meet is read for one local energy.

        Once for the value, once for each of 3N tangents and once for the Laplacian; twice that
        where reads differ, so that squares are formed between two of them.
        """
        return (2 + 3 * self.spins.count) * (2 if self.noisy else 1)

    @property
    def frozen(self) -> int:
        """Return the number of matrix entries realised on the chip."""
        matrices = jax.tree.leaves(self, is_leaf=_is_matrix)
        return sum(mv.weight.size for mv in matrices if _is_matrix(mv))


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
    kind = KINDS[size.kind]
    plans = _plans(size, spins, n_one + width)
    first = [(width, n_one), (size.pair_width, n_two), (2 * size.pair_width, n_one)]
    blocks = iter(cut(chip, [*first, *(shape for plan in plans for shape in plan)]))
    mounted = partial(mount, periphery=periphery, limit=LIMIT, dtype=dtype)
    embedding, between, place = (mounted(next(blocks)) for _ in first)
    layers = tuple(
        kind.of([mounted(next(blocks)) for _ in plan], size.gain, first=number == 0)
        for number, plan in enumerate(plans)
    )
    return Streams(
        embedding,
        jnp.asarray(size.embedding_gain / np.sqrt(n_one), dtype),
        between,
        place,
        # Half of a pair's input is its difference, a quarter comes from either place.
        jnp.asarray(size.embedding_gain / np.sqrt([2 * n_two, 4 * n_one]), dtype),
        layers,
        spins,
        size.pair_width * (1 + sum(layer.moves_pairs for layer in layers)),
    )


WIDTH = 32
"""Neurons of a layer where nothing else is said."""

LIMIT = 1.0
"""Range of every activation: inputs are scaled to it, hyperbolic tangents and means stay in it."""


def _plans(size: Size, spins: Spins, n_one: int) -> list[list[tuple[int, int]]]:
    """Return the (n_out, n_in) of the matrices of every layer."""
    width, plans = size.width or WIDTH, []
    for number in range(size.layers):
        pair_width = None if number == size.layers - 1 else size.pair_width
        plans.append(KINDS[size.kind].shapes(spins, width, n_one, size.pair_width, pair_width))
        n_one = width
    return plans


def _is_matrix(node: object) -> bool:
    return isinstance(node, AbstractMatVec)
