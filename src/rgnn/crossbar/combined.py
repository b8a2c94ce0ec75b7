"""Inputs that are combined digitally, block by block, before they drive the lines of an array.

The array and its random weights stay as they are. What changes is which functions of the inputs
its lines receive: line l of block b is driven by Σ_r x_br C_b,rl.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar.matvec import AbstractMatVec, TangentLaw


class Combined(AbstractMatVec):
    """An array behind a small digital matrix for every block of its lines.

    `weight`, `read_variance` and the drive of a `TangentLaw` belong to the lines.
    """

    array: AbstractMatVec
    blocks: Float[Array, "n_block n_raw n_line"]

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix of the array without read noise."""
        return self.array.weight

    @property
    def noisy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether two reads of the same input differ."""
        return self.array.noisy

    def line_inputs(self, x: Float[Array, "*batch n_raw_in"]) -> Float[Array, "*batch n_in"]:
        n_block, n_raw, n_line = self.blocks.shape
        apart = x.reshape(*x.shape[:-1], n_block, n_raw)
        together = jnp.einsum("...br,brl->...bl", apart, self.blocks)
        return together.reshape(*x.shape[:-1], n_block * n_line)  # the batch may be empty

    def __call__(
        self, x: Float[Array, "*batch n_raw_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self.array(self.line_inputs(x), key=key)

    def repeated(
        self, x: Float[Array, "*batch n_raw_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self.array.repeated(self.line_inputs(x), reads, key=key)

    def tangent(
        self, dx: Float[Array, "*batch n_raw_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self.array.tangent(self.line_inputs(dx), key=key)

    def tangent_law(self, dx: Float[Array, "*batch n_raw_in"], reads: int = 1) -> TangentLaw:
        return self.array.tangent_law(self.line_inputs(dx), reads)

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return self.array.read_variance

    def driven(self, start: int, stop: int) -> "Combined":
        _, n_raw, n_line = self.blocks.shape
        first, last = start // n_raw, stop // n_raw
        if (first * n_raw, last * n_raw) != (start, stop):
            raise ValueError(f"inputs {start} … {stop} are not whole blocks of {n_raw}")
        array = self.array.driven(first * n_line, last * n_line)
        return Combined(array=array, blocks=self.blocks[first:last])  # pyright: ignore[reportCallIssue]
