"""A digital matrix that stands beside the arrays: single inputs, then trained channels.

A channel is one linear combination of the inputs, shared by every output that is wired to it. Its
numbers are trained, few, and never on the chip, so that what it carries has no read noise.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar.matvec import AbstractMatVec, Exact, TangentLaw


class Channels(AbstractMatVec):
    """Outputs `picks @ x`, then channel `wiring[k]` for the k-th output after them."""

    picks: Float[Array, "n_pick n_in"]
    channels: Float[Array, "n_channel n_in"]
    wiring: tuple[int, ...] = eqx.field(static=True)
    noisy: bool = eqx.field(static=True, default=False)

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix, every output a row."""
        return jnp.concatenate([self.picks, self.channels[jnp.asarray(self.wiring, int)]])

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        mixed = (x @ self.channels.T)[..., jnp.asarray(self.wiring, int)]
        return jnp.concatenate([x @ self.picks.T, mixed], axis=-1)

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self(x)

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self(dx)

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        return Exact(self.weight).tangent_law(dx, reads)

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return jnp.zeros((len(self.picks) + len(self.wiring), 0), self.picks.dtype)

    def driven(self, start: int, stop: int) -> "Channels":
        inputs = slice(start, stop)
        return Channels(  # pyright: ignore[reportCallIssue]
            picks=self.picks[:, inputs], channels=self.channels[:, inputs], wiring=self.wiring
        )
