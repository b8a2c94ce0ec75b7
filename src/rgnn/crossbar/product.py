"""Products whose last bit does not depend on the order of summation.

A matrix product in floating point rounds differently for a batch of 1 and a batch of 1000, because
the library adds in another order; behind a converter such a difference can flip a code. Codes of
an input converter are small integers, so it can be ruled out: with conductances on a grid of a
power of two, chosen so that the largest possible sum is an exactly represented multiple of the
grid, every partial sum is exact and the order no longer matters.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Precision = Literal["full", "single", "half"]
"""What is kept of a matrix's entries: all that the numbers' own precision has, about 15 bits of the
largest (one product in single precision), or 8 significant bits of each (one in half precision)."""

_DIGIT = 256
"""Codes are multiplied in digits of this base: what half precision (bfloat16) holds exactly, and
what leaves entries 8 bits and more in one product in single precision."""


def exact_sum(
    code: Float[Array, "*batch n_in"],
    matrix: Float[Array, "n_out n_in"],
    *,
    peak: int,
    precision: Precision = "full",
) -> Float[Array, "*batch n_out"]:
    """Return `code @ matrix.T`, a function of each row of `code` alone to the last bit.

    `code` holds integers of magnitude up to `peak`. Entries of `matrix` are rounded to a grid. In
    double precision it is fine enough for one product. Single precision has too few bits for that:
    `full` precision adds a second product for what the first grid leaves out, `single` leaves it
    out; codes above 256 are multiplied byte by byte.
    """
    if matrix.dtype == jnp.float64 and precision != "half":
        return code @ _on_grid(matrix, peak).T
    if peak > _DIGIT:
        high = jax.lax.stop_gradient(jnp.trunc(code / _DIGIT))
        upper = exact_sum(high, matrix, peak=peak // _DIGIT + 1, precision=precision)
        lower = exact_sum(code - _DIGIT * high, matrix, peak=_DIGIT - 1, precision=precision)
        return _sum(_DIGIT * upper, lower)
    if precision == "half":
        return _half_product(code, matrix, peak)
    coarse = _on_grid(matrix, peak)
    total = code @ coarse.T
    if precision == "single":
        return total
    rest = matrix - jax.lax.stop_gradient(coarse)
    return _sum(total, code @ _on_grid(rest, peak).T)


def _sum(first: Array, second: Array) -> Array:
    """Return the sum of two products, of which neither may start from the other's sum."""
    first, second = jax.lax.optimization_barrier((first, second))
    return first + second


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


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _half_product(code: Array, matrix: Array, peak: int) -> Array:
    """Return the product of entries with 8 significant bits, summed exactly in single precision."""
    entries = matrix.astype(jnp.bfloat16).astype(jnp.float32)
    short = _on_grid(entries, peak).astype(jnp.bfloat16)
    over_inputs = (((code.ndim - 1,), (1,)), ((), ()))
    total = jax.lax.dot_general(
        code.astype(jnp.bfloat16), short, over_inputs, preferred_element_type=jnp.float32
    )
    return total.astype(matrix.dtype)


@_half_product.defjvp
def _half_product_jvp(
    peak: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Derivatives are those of the plain product: they need more than 8 bits."""
    (code, matrix), (d_code, d_matrix) = primals, tangents
    return _half_product(code, matrix, peak), d_code @ matrix.T + code @ d_matrix.T
