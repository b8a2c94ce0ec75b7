"""Electrons as a graph: who shares a spin, and derivatives that only touch one or two electrons.

The features of one electron depend on its own three coordinates, those of a pair on the three of
r_ij. Their jets stay that small until electrons mix: `scatter` and `gather` then give them all
3N coordinates.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rgnn.tasks.wavefunction.jet import Field, Jet, linear


@dataclass(frozen=True)
class Spins:
    """Electrons in order: `n_up` with spin up, then `n_down` with spin down."""

    n_up: int
    n_down: int

    @property
    def count(self) -> int:
        """Return the number of electrons."""
        return self.n_up + self.n_down

    @property
    def of_electron(self) -> Int[np.ndarray, " n"]:
        """Return 0 for up and 1 for down."""
        return np.repeat([0, 1], [self.n_up, self.n_down])

    @property
    def mean(self) -> Float[np.ndarray, "2 n"]:
        """Return the weights that average over the electrons of each spin."""
        member = np.arange(2)[:, None] == self.of_electron[None]
        return member / np.maximum(member.sum(1, keepdims=True), 1)

    @property
    def same(self) -> Float[np.ndarray, "n n"]:
        """Return 1 for two different electrons of one spin."""
        spin = self.of_electron
        return (spin[:, None] == spin[None]) * 1.0 - np.eye(self.count)

    @property
    def opposite(self) -> Float[np.ndarray, "n n"]:
        """Return 1 for two electrons of different spin."""
        spin = self.of_electron
        return (spin[:, None] != spin[None]) * 1.0


def scatter(f: Field) -> Field:
    """Return a function of each electron's own position as one of all positions."""
    if not isinstance(f, Jet):
        return f
    n, batch = f.shape[-2], len(f.shape) - 2
    own = jnp.eye(n, dtype=f.dtype).reshape(1, n, 1, *(1,) * batch, n, 1)
    return Jet(f.x, _by_coordinate(own * f.dx[:, None]), f.lap)


def gather(f: Field, weight: Float[np.ndarray, "n n"]) -> Field:
    """Return Σ_j w_ij f(r_i − r_j) as a function of all positions; `f` is (…, n, n, feature)."""
    w = jnp.asarray(weight, f.dtype)
    total = linear(lambda array: jnp.einsum("...ijf,ij->...if", array, w), f)
    mine = scatter(total)
    if not isinstance(f, Jet) or not isinstance(mine, Jet):
        return mine
    partners = jnp.moveaxis(f.dx * w[:, :, None], -2, 1)  # (reads, partner, 3, *batch, n, f)
    return Jet(mine.x, mine.dx - _by_coordinate(partners), 2 * mine.lap)


def differences(x: Float[Array, "*batch n 3"]) -> Float[Array, "*batch n n 3"]:
    """Return r_i − r_j."""
    return x[..., :, None, :] - x[..., None, :, :]


def _by_coordinate(dx: Array) -> Array:
    """Merge the axes (electron, x y z) that follow the reads."""
    return dx.reshape(dx.shape[0], -1, *dx.shape[3:])
