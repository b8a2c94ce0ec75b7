"""The effective matrix of resistive wires inside `jax.jit`, `vmap` and `grad`.

The recursion is that of `crossbar.wires`, written for tracing: cells and resistances may be what is
differentiated for, and a stack of chips is solved in one call. `crossbar.wires` is several times
faster where neither is needed.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from rgnn.core.errors import InputError

Scalar = float | Float[Array, ""]


def traced_effective_matrix(
    G: Float[Array, "n_row n_column"], r_word: Scalar, r_bit: Scalar, *, rows_below: int = 0
) -> Float[Array, "n_column n_row"]:
    """Return A with `I_out = A @ V` [S], differentiable for cells `G` [S] and wires [Ω].

    Arguments are those of `effective_matrix`, but wires must resist. Exact up to rounding: about
    1e-12 in double precision, 1e-4 in single precision.
    """
    for name, value in (("r_word", r_word), ("r_bit", r_bit)):
        if isinstance(value, int | float) and not value > 0:
            raise InputError(
                f"{name} must be a resistance > 0 Ω here, got {value}; `effective_matrix` takes "
                "ideal wires, which have no derivative in the resistance"
            )
    g_word, g_bit = 1 / jnp.asarray(r_word, G.dtype), 1 / jnp.asarray(r_bit, G.dtype)
    g_exit = g_bit / (1 + rows_below)
    if G.shape[1] <= G.shape[0]:
        return _solved(G, g_word, g_bit, entry=g_word, exit=g_exit)
    # Seen from its grounded ends the same network is one with word and bit lines swapped.
    swapped = _solved(G.T[::-1, ::-1], g_bit, g_word, entry=g_exit, exit=g_word)
    return swapped[::-1, ::-1].T


def _solved(cells: Array, g_word: Array, g_bit: Array, *, entry: Array, exit: Array) -> Array:
    """Return the effective matrix by recursion from the top row to the bottom."""
    m, n = cells.shape
    first, last = np.eye(n)[0], np.eye(n)[-1]
    links = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1) - np.diag(first) - np.diag(last)
    line = g_word * links + entry * np.diag(first)
    above = jnp.where(np.arange(m) > 0, g_bit, 0)
    below = jnp.where(np.arange(m) < m - 1, g_bit, exit)

    def down_one_row(
        state: tuple[Array, Array], row: tuple[Array, Array, Array, Array]
    ) -> tuple[tuple[Array, Array], None]:
        inverse, reached = state
        cell, up, down, place = row
        sources = jnp.concatenate([jnp.diag(cell), (entry * first)[:, None]], axis=1)
        voltage = cho_solve(cho_factor(line + jnp.diag(cell)), sources)
        schur = jnp.diag(cell + up + down) - cell[:, None] * voltage[:, :n] - up**2 * inverse
        reached = up * inverse @ reached + jnp.outer(cell * voltage[:, n], place)
        return (cho_solve(cho_factor(schur), jnp.eye(n, dtype=cells.dtype)), reached), None

    start = jnp.zeros((n, n), cells.dtype), jnp.zeros((n, m), cells.dtype)
    rows = cells, above, below, jnp.eye(m, dtype=cells.dtype)
    (inverse, reached), _ = jax.lax.scan(down_one_row, start, rows)
    return exit * inverse @ reached
