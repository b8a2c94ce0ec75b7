"""Metropolis walkers drawn from |ψ|²; the step adapts to an acceptance of one half.

With a noisy chip each proposal is judged by one read of log|ψ|, and the read of the place where a
walker stands is kept until it moves. That is pseudo-marginal sampling
(doi 10.1214/07-AOS574): walkers follow the average of |ψ|² over reads exactly.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys

LogPsi = Callable[[Float[Array, "walker n 3"], PRNGKeyArray], Float[Array, " walker"]]

TARGET = 0.5
"""Acceptance the step is tuned to."""


class Walkers(NamedTuple):
    """Electron positions [bohr], log|ψ| as it was read there, and the proposal's width [bohr]."""

    electrons: Float[Array, "walker n 3"]
    log_psi: Float[Array, " walker"]
    width: Float[Array, ""]


def init(
    log_psi: LogPsi, electrons: Float[Array, "walker n 3"], key: PRNGKeyArray, *, width: float = 0.3
) -> Walkers:
    """Return walkers at `electrons`."""
    return Walkers(electrons, log_psi(electrons, key), jnp.asarray(width, electrons.dtype))


def step(log_psi: LogPsi, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
    """Move all electrons of every walker once; return the walkers and the acceptance."""
    x, old, width = walkers
    move = jax.random.normal(keys.child(key, "move"), x.shape, x.dtype)
    proposal = x + width * move
    new = log_psi(proposal, keys.child(key, "read"))
    u = jax.random.uniform(keys.child(key, "accept"), old.shape, old.dtype)
    accept = jnp.log(u) < 2 * (new - old)
    moved = Walkers(
        jnp.where(accept[:, None, None], proposal, x), jnp.where(accept, new, old), width
    )
    return moved, accept.mean()


def sweep(
    log_psi: LogPsi, walkers: Walkers, key: PRNGKeyArray, steps: int
) -> tuple[Walkers, Float[Array, ""]]:
    """Take `steps` steps, then adapt the width; return the walkers and the mean acceptance."""

    def one(state: Walkers, k: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        return step(log_psi, state, k)

    walkers, acceptance = jax.lax.scan(one, walkers, jax.random.split(key, steps))
    rate = acceptance.mean()
    factor = jnp.clip(rate / TARGET, 0.8, 1.25)
    return walkers._replace(width=walkers.width * factor.astype(walkers.width.dtype)), rate
