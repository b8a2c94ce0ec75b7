"""Products whose last bit does not depend on the order of summation.

A matrix product in floating point rounds differently for a batch of 1 and a batch of 1000, because
the library adds in another order; behind a converter such a difference can flip a code. Codes of
an input converter are small integers, so it can be ruled out: with conductances on a grid of a
power of two, chosen so that the largest possible sum is an exactly represented multiple of the
grid, every partial sum is exact and the order no longer matters.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_GRID_BITS = 5
"""Fewest bits a grid must leave for an entry."""


def exact_sum(
    code: Float[Array, "*batch n_in"],
    matrix: Float[Array, "n_out n_in"],
    *,
    peak: int,
    coarsely: bool = False,
) -> Float[Array, "*batch n_out"]:
    """Return `code @ matrix.T`, a function of each row of `code` alone to the last bit.

    `code` holds integers of magnitude up to `peak`. Entries of `matrix` are rounded to a grid, in
    double precision at about 1e-12 of the largest row sum. Single precision has too few bits for
    one product: there a second one adds what the first grid leaves out, or is left out `coarsely`
    (then entries are rounded to about 2⁻¹⁵ of the largest, for 256 inputs of one bit). Codes too
    large for any useful grid, such as drive powers of more than 9 bits, take the plain product.
    """
    if peak > 2 ** (jnp.finfo(matrix.dtype).nmant - _GRID_BITS):
        return code @ matrix.T
    coarse = _on_grid(matrix, peak)
    total = code @ coarse.T
    if matrix.dtype == jnp.float64 or coarsely:
        return total
    fine = code @ _on_grid(matrix - jax.lax.stop_gradient(coarse), peak).T
    # Without the barrier the compiler may let the second product start from the first one's sum.
    total, fine = jax.lax.optimization_barrier((total, fine))
    return total + fine


def _on_grid(matrix: Array, peak: int) -> Array:
    """Return `matrix` rounded to the finest grid on which every sum is exact.

    Rounding passes gradients straight through: it is far below any conductance's accuracy.
    """
    bound = peak * jnp.max(jnp.sum(jnp.abs(matrix), axis=-1))
    exponent = jnp.frexp(bound)[1]
    mantissa = jnp.finfo(matrix.dtype).nmant
    grid = jnp.ldexp(jnp.ones((), matrix.dtype), exponent - mantissa)
    rounded = jnp.round(matrix / grid) * grid
    return matrix + jax.lax.stop_gradient(rounded - matrix)
