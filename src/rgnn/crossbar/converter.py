"""The converters at the edge of an array: numbers to codes, line currents to numbers.

Rounding is a staircase, whose true derivative is 0 or infinite. `jax.grad` gets the derivative of
the line through the stairs instead (a straight-through estimate); outside the range it is 0.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Style = Literal["tread", "rise"]


def full_scale(bits: int, *, signed: bool = True) -> int:
    """Return the largest code of a `bits`-bit input: sign and magnitude, or magnitude alone."""
    return 2 ** (bits - 1) - 1 if signed else 2**bits - 1


def dither(reads: int) -> list[float]:
    """Return shifts by which repeated reads move their input, in units of one code.

    Spread evenly over a code, they make the mean of n roundings a rounding to 1/n of a code
    (Hermite's identity): reads that are repeated against noise also gain log₂ n bits. Zero stays
    zero in every one of them.
    """
    return [(read + 0.5) / reads - 0.5 for read in range(reads)]


def encode(
    u: Float[Array, "*batch n"],
    *,
    bits: int,
    signed: bool = True,
    shift: Float[Array, "..."] | float = 0.0,
) -> Float[Array, "*batch n"]:
    """Return the integer codes nearest to `u` ∈ [−1, 1], moved by `shift` codes, kept as floats;
    outside it saturates.

    Codes run from −(2^(bits−1) − 1) to +(2^(bits−1) − 1), or from 0 to 2^bits − 1 where inputs have
    no sign: rounded, never truncated, and a function of each entry alone, so that no entry depends
    on its neighbours in a batch.
    """
    top = full_scale(bits, signed=signed)
    return jnp.clip(rounded(u * top + shift), -top if signed else 0, top)


def step(limit: Float[Array, "*column"], *, bits: int, style: Style = "tread") -> Array:
    """Return the width of one code of a converter of range ±`limit`."""
    return limit / full_scale(bits) if style == "tread" else 2 * limit / (2**bits - 1)


def digitise(
    y: Float[Array, "*batch n"],
    *,
    limit: Float[Array, "*column"] | float,
    bits: int | None,
    style: Style = "tread",
) -> Float[Array, "*batch n"]:
    """Return `y` as a converter of range ±`limit` reports it; `bits=None` is ideal.

    A mid-tread converter has a code for 0 and one level fewer; a mid-rise one uses all 2^bits
    levels, none of which is 0.
    """
    if bits is None:
        return y
    limit = jnp.asarray(limit, y.dtype)
    width = step(limit, bits=bits, style=style)
    if style == "tread":
        return jnp.clip(rounded(y / width) * width, -limit, limit)
    return rounded((jnp.clip(y, -limit, limit) + limit) / width) * width - limit


@jax.custom_jvp
def rounded(x: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """Return the nearest integers; derivatives pass as if `x` had been returned."""
    return jnp.round(x)


@rounded.defjvp
def _rounded_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return jnp.round(primals[0]), tangents[0]
