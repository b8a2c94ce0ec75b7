"""Wire resistance of 1T1R arrays whose inputs switch gates, one binary plane at a time.

Cell k of a column joins its bit line to its source line only where plane bit x_k is 1. Both lines
are contacted at the bottom, so a column is a ladder: looking up from row k the two lines are
joined by the conductance

    Y_k = x_k G_k + 1 / (r_bit + r_source + 1 / Y_{k−1}),   Y_{−1} = 0,

and the column carries V / (r_bit + r_source + 1 / Y_{m−1}). That is exact but not linear in x, so
no effective matrix exists and every plane costs one pass over the rows.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def gate_driven_currents(
    cells: Float[Array, "n_row n_column"],
    planes: Float[Array, "*batch n_row"],
    *,
    r_bit: float,
    r_source: float,
) -> Float[Array, "*batch n_column"]:
    """Return the column currents per volt [S] for `cells` [S], binary `planes` and wires [Ω]."""
    segment = r_bit + r_source

    def up_one_row(seen: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
        conductance, gate = row
        return conductance * gate[..., None] + seen / (1 + segment * seen), None

    dark = jnp.zeros((*planes.shape[:-1], cells.shape[1]), cells.dtype)
    seen, _ = jax.lax.scan(up_one_row, dark, (cells, jnp.moveaxis(planes, -1, 0)))
    return seen / (1 + segment * seen)
