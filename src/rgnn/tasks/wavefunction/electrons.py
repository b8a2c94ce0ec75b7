"""Electrons as a graph: who shares a spin, and derivatives that only touch one or two electrons.

The features of one electron depend on its own three coordinates, those of a pair on the six of its
two electrons. Their jets stay that small until electrons mix: `scatter` and `gather` then give
them all 3N coordinates. Pairs are listed by electron and partner, (…, n, n − 1): an electron is no
partner of its own.
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
    def alone(self) -> bool:
        """Return whether no two electrons share a spin."""
        return max(self.n_up, self.n_down) < 2

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
    def same(self) -> Float[np.ndarray, "n n_partner"]:
        """Return 1 for partners of the same spin."""
        spin = self.of_electron
        return (spin[:, None] == spin[partners(self.count)]) * 1.0

    @property
    def opposite(self) -> Float[np.ndarray, "n n_partner"]:
        """Return 1 for partners of the other spin."""
        return 1.0 - self.same


def partners(n: int) -> Int[np.ndarray, "n n_partner"]:
    """Return all others of every electron."""
    return np.stack([np.delete(np.arange(n), i) for i in range(n)])


def spin_means(f: Field, spins: Spins) -> Field:
    """Return the means over the electrons of each spin, (…, 2, feature); 0 where there are none."""
    last = spins.n_up + spins.n_down

    def means(h: Array) -> Array:
        parts = [h[..., : spins.n_up, :], h[..., spins.n_up : last, :]]
        sums = [part.sum(-2) * (1 / max(part.shape[-2], 1)) for part in parts]
        return jnp.stack(sums, axis=-2)

    return linear(means, f)


def to_electrons(f: Field, spins: Spins) -> Field:
    """Return what each spin hears, (…, 2, feature), as what each of its electrons hears."""

    def repeated(h: Array) -> Array:
        return jnp.concatenate(
            [
                jnp.broadcast_to(h[..., k : k + 1, :], (*h.shape[:-2], count, h.shape[-1]))
                for k, count in enumerate((spins.n_up, spins.n_down))
            ],
            axis=-2,
        )

    return linear(repeated, f)


def scatter(f: Field) -> Field:
    """Return a function of each electron's own position as one of all; one of all as it is."""
    n, batch = f.shape[-2], len(f.shape) - 2
    if not isinstance(f, Jet) or f.dx.shape[1] == 3 * n:
        return f
    own = jnp.eye(n, dtype=f.dtype).reshape(1, n, 1, *(1,) * batch, n, 1)
    return Jet(f.x, _by_coordinate(own * f.dx[:, None]), f.lap)


def pair(between: Field, first: Field | None = None, second: Field | None = None) -> Field:
    """Return a(r_i − r_j) + b(r_i) + c(r_j) of every pair, (…, n, n − 1, feature).

    `between` is a function of the difference, `first` and `second` (…, n, feature) of one position.
    """
    total: Field = _other(between) if isinstance(between, Jet) else between
    n = between.shape[-3]
    if first is not None:
        total = total + _padded(linear(lambda f: f[..., :, None, :], first), 0)
    if second is not None:
        total = total + _padded(linear(lambda f: f[..., partners(n), :], second), 1)
    return total


def gather(f: Field, weight: Float[np.ndarray, "n n_partner"] | float) -> Field:
    """Return Σ_j w_ij f_ij as a function of all positions; `f` is made by `pair`."""
    weighted = f * jnp.asarray(weight, f.dtype)[..., None]
    total = linear(lambda array: array.sum(-2), weighted)
    if not isinstance(weighted, Jet) or not isinstance(total, Jet):
        return total
    own, other = total.dx[:, :3, ..., None, :], weighted.dx[:, 3:]
    by_slot = jnp.concatenate([own, other], axis=-2)  # electron i itself, then its partners
    n = by_slot.shape[-3]
    by_electron = by_slot[..., np.arange(n)[:, None], np.argsort(_slots(n), axis=1), :]
    return Jet(total.x, _by_coordinate(jnp.moveaxis(by_electron, -2, 1)), total.lap)


def along(f: Field, velocity: Float[Array, "*batch n 3"]) -> Array:
    """Return d/dt of a function of all positions while electrons move with `velocity`."""
    return _along(f, velocity.reshape(*velocity.shape[:-2], 1, -1))


def along_own(f: Field, velocity: Float[Array, "*batch n 3"]) -> Array:
    """Return d/dt of a function of each electron's own position."""
    return _along(f, velocity)


def along_pair(f: Field, velocity: Float[Array, "*batch n 3"]) -> Array:
    """Return d/dt of a function of pairs, made by `pair`."""
    first = velocity[..., :, None, :]
    second = velocity[..., partners(velocity.shape[-2]), :]
    return _along(f, jnp.concatenate([jnp.broadcast_to(first, second.shape), second], -1))


def _along(f: Field, velocity: Float[Array, "*site k"]) -> Array:
    """Return Σ_a v_a ∂_a f, the mean of its reads; trailing axes of f are not those of v."""
    if not isinstance(f, Jet):
        raise TypeError("needs a function with its derivatives: a Jet")
    v = jnp.moveaxis(velocity, -1, 0)
    v = v.reshape(*v.shape, *(1,) * (f.x.ndim - v.ndim + 1))
    return (f.dx.mean(0) * v).sum(0)


def differences(x: Float[Array, "*batch n 3"]) -> Float[Array, "*batch n n_partner 3"]:
    """Return r_i − r_j for all partners j of every i."""
    return x[..., :, None, :] - x[..., partners(x.shape[-2]), :]


def _slots(n: int) -> Int[np.ndarray, "n n"]:
    """Return every electron followed by its partners."""
    return np.concatenate([np.arange(n)[:, None], partners(n)], axis=1)


def _other(f: Jet) -> Jet:
    """Return a function of r_i − r_j as one of r_i and r_j."""
    return Jet(f.x, jnp.concatenate([f.dx, -f.dx], axis=1), 2 * f.lap)


def _padded(f: Field, place: int) -> Field:
    """Return a function of the first (`place` 0) or second electron of a pair as one of both."""
    if not isinstance(f, Jet):
        return f
    zero = jnp.zeros_like(f.dx)
    return Jet(f.x, jnp.concatenate([zero, f.dx] if place else [f.dx, zero], axis=1), f.lap)


def _by_coordinate(dx: Array) -> Array:
    """Merge the axes (electron, x y z) that follow the reads."""
    return dx.reshape(dx.shape[0], -1, *dx.shape[3:])
