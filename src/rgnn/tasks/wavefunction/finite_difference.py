"""Kinetic energies from finite differences of log|ψ|: what the forward Laplacian is compared with.

Central stencils of order 2, 4 and 6. With a read noise s in log|ψ| the second derivative carries
an error ∝ s/h², and the square of the first one a bias ∝ s²/h²; the forward Laplacian has neither.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

FIRST = {2: (1 / 2,), 4: (2 / 3, -1 / 12), 6: (3 / 4, -3 / 20, 1 / 60)}
"""Weights of f(x + kh) − f(x − kh), k = 1, 2, …, for h f′."""

SECOND = {2: (1.0,), 4: (4 / 3, -1 / 12), 6: (3 / 2, -3 / 20, 1 / 90)}
"""Weights of f(x + kh) − 2 f(x) + f(x − kh) for h² f″."""


def kinetic(
    log_psi: Callable[[Float[Array, "m n 3"], PRNGKeyArray], Float[Array, " m"]],
    electrons: Float[Array, "walker n 3"],
    key: PRNGKeyArray,
    *,
    order: int,
    step: float,
) -> Float[Array, " walker"]:
    """Return −½ (Δ log|ψ| + |∇ log|ψ||²) from reads at displaced positions, `step` [bohr] apart."""
    walkers, n, _ = electrons.shape
    moves = (step * jnp.asarray(_displacements(n, order))).astype(electrons.dtype)
    points = electrons[None] + jnp.concatenate([jnp.zeros((1, n, 3), moves.dtype), moves])[:, None]
    values = log_psi(points.reshape(-1, n, 3), key).reshape(-1, walkers)
    centre = values[0]
    plus, minus = values[1:].reshape(order // 2, 2, 3 * n, walkers).swapaxes(0, 1)
    first = jnp.einsum("k,kcw->cw", jnp.asarray(FIRST[order]), plus - minus) / step
    second = jnp.einsum("k,kcw->cw", jnp.asarray(SECOND[order]), plus + minus - 2 * centre)
    return -0.5 * (second.sum(0) / step**2 + jnp.square(first).sum(0))


def reads_per_energy(n: int, order: int) -> int:
    """Return how often ψ is read for one energy of `n` electrons."""
    return 1 + 3 * n * order


def _displacements(n: int, order: int) -> Float[np.ndarray, "m n 3"]:
    """Return ±k along every coordinate, k outermost, then the sign, then the coordinate."""
    unit = np.eye(3 * n).reshape(3 * n, n, 3)
    signs = [sign * k * unit for k in range(1, order // 2 + 1) for sign in (1, -1)]
    return np.concatenate(signs)
