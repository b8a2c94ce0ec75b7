"""Matrices with more inputs than a macro has word lines."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar.array import Crossbar
from rgnn.crossbar.matvec import AbstractMatVec, TangentLaw


class Tiled(AbstractMatVec):
    """A matrix with more inputs than a macro has word lines: partial sums add up digitally.

    Every tile digitises its own partial sum, so rounding and noise add up over the tiles.
    """

    tiles: tuple[Crossbar, ...]
    starts: tuple[int, ...] = eqx.field(static=True)
    """First input of every tile, and the end."""

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix without read noise."""
        return jnp.concatenate([tile.weight for tile in self.tiles], axis=-1)

    @property
    def noisy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether two reads of the same input differ."""
        return any(tile.noisy for tile in self.tiles)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        parts = zip(self.tiles, self._split(x), self._keys(key), strict=True)
        return sum((tile(part, key=k) for tile, part, k in parts), start=jnp.zeros((), x.dtype))

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        parts = zip(self.tiles, self._split(x), self._keys(key), strict=True)
        means = (tile.repeated(part, reads, key=k) for tile, part, k in parts)
        return sum(means, start=jnp.zeros((), x.dtype))

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        parts = zip(self.tiles, self._split(dx), self._keys(key), strict=True)
        reads = (tile.tangent(part, key=k) for tile, part, k in parts)
        return sum(reads, start=jnp.zeros((), dx.dtype))

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        laws = [t.tangent_law(p, reads) for t, p in zip(self.tiles, self._split(dx), strict=True)]
        return TangentLaw(*(jnp.concatenate(parts, -1) for parts in zip(*laws, strict=True)))

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return jnp.concatenate([tile.read_variance for tile in self.tiles], axis=-1)

    def driven(self, start: int, stop: int) -> "Tiled":
        kept, starts = [], [0]
        for tile, low, high in zip(self.tiles, self.starts, self.starts[1:], strict=False):
            first, last = max(start, low), min(stop, high)
            if first < last:
                kept.append(tile.driven(first - low, last - low))
                starts.append(starts[-1] + last - first)
        return Tiled(tiles=tuple(kept), starts=tuple(starts))  # pyright: ignore[reportCallIssue]

    def _split(self, x: Array) -> list[Array]:
        return jnp.split(x, self.starts[1:-1], axis=-1)

    def _keys(self, key: PRNGKeyArray | None) -> list[PRNGKeyArray | None]:
        if key is None:
            return [None] * len(self.tiles)
        return [jax.random.fold_in(key, index) for index in range(len(self.tiles))]
