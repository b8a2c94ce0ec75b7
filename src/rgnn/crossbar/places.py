"""Inputs of very different size on one array: every line has its own binary point.

An input line whose activations stay below limit / 2ˢ sends its pulses at place values 2ˢ lower, so
that all its bits are used. Pulses of equal place value of all lines are one read, shift-and-add
does the rest: the array is read 8 + max(s) times instead of 8, and every line keeps 8 significant
bits. In the sums that leave the array the cells of the line then count 2⁻ˢ.
"""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar.build import Block, Periphery, mount
from rgnn.crossbar.matvec import AbstractMatVec, TangentLaw

MOST_PLACES = 6
"""Furthest a binary point is moved."""


class Placed(AbstractMatVec):
    """An array whose input line r is read with its binary point moved by s_r places."""

    array: AbstractMatVec
    """The array as its sums see it, cells of line r counting 2⁻ˢʳ."""
    scale: Float[Array, " n_in"]
    """2ˢʳ of every line."""

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix without read noise."""
        return self.array.weight * self.scale

    @property
    def noisy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether two reads of the same input differ."""
        return self.array.noisy

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self.array(x * self.scale, key=key)

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self.array.repeated(x * self.scale, reads, key=key)

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self.array.tangent(dx * self.scale, key=key)

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        law = self.array.tangent_law(dx * self.scale, reads)
        return TangentLaw(law.drive / self.scale, law.power)

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return self.array.read_variance

    def driven(self, start: int, stop: int) -> "Placed":
        return Placed(array=self.array.driven(start, stop), scale=self.scale[start:stop])  # pyright: ignore[reportCallIssue]


def mount_by_line(
    block: Block, periphery: Periphery, *, limits: Float[np.ndarray, " n_in"], dtype: str
) -> AbstractMatVec:
    """Return the matrix of `block` on the asked rung, for line r within ±`limits[r]`.

    Ranges are the largest one divided by a power of two. Where neighbours share a cell a word line
    carries two inputs and all lines keep the one range.
    """
    limit = float(limits.max())
    shifts = places(limits)
    if periphery.rung == "exact" or block.wiring == "shared" or not shifts.any():
        return mount(block, periphery, limit=limit, dtype=dtype)
    counts = 2.0**-shifts
    ends = np.cumsum([cells.shape[1] for cells, _ in block.tiles])[:-1]
    parts = np.split(counts, ends)
    tiles = tuple((cells * c, std * c) for (cells, std), c in zip(block.tiles, parts, strict=True))
    array = mount(replace(block, tiles=tiles), periphery, limit=limit, dtype=dtype)
    return Placed(array=array, scale=jnp.asarray(1 / counts, dtype))  # pyright: ignore[reportCallIssue]


def places(limits: Float[np.ndarray, " n_in"]) -> Float[np.ndarray, " n_in"]:
    """Return how many places the binary point of every line moves."""
    ratio = limits.max() / np.maximum(limits, limits.max() * 2.0**-MOST_PLACES)
    return np.clip(np.floor(np.log2(ratio)), 0, MOST_PLACES)
