"""The converters at the edge of an array: numbers to bit planes, line currents to numbers.

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


def encode(
    u: Float[Array, "*batch n"], *, bits: int, signed: bool = True
) -> Float[Array, "*batch n"]:
    """Return the integer codes nearest to `u` ∈ [−1, 1], kept as floats; outside it saturates.

    Codes run from −(2^(bits−1) − 1) to +(2^(bits−1) − 1), or from 0 to 2^bits − 1 where inputs have
    no sign: rounded, never truncated, and a function of each entry alone, so that no entry depends
    on its neighbours in a batch.
    """
    top = full_scale(bits, signed=signed)
    return jnp.clip(rounded(u * top), -top if signed else 0, top)


def places(bits: int, *, signed: bool = True, slice_bits: int = 1) -> list[int]:
    """Return the place values of the pulses that carry one input, least significant first."""
    magnitude = bits - 1 if signed else bits
    return [2**bit for bit in range(0, magnitude, slice_bits)]


def digit(
    code: Float[Array, "*batch n"], *, place: int, slice_bits: int = 1
) -> Float[Array, "*batch n"]:
    """Return the signed digit that the pulse of this place value puts on the line."""
    magnitude, base = jnp.abs(code), 2**slice_bits
    higher = jnp.floor(magnitude / (place * base))
    return jnp.sign(code) * (jnp.floor(magnitude / place) - base * higher)


def pulses(
    code: Float[Array, "*batch n"], *, bits: int, signed: bool = True, slice_bits: int = 1
) -> Float[Array, "*batch n_pulse n"]:
    """Return the signed digits of all pulses; their sum with place values is `code`.

    A derivative is shared out evenly over the pulses, so that the sum has the derivative of `code`.
    """
    values = places(bits, signed=signed, slice_bits=slice_bits)
    digits = [digit(code, place=place, slice_bits=slice_bits) for place in values]
    share = [(code - jax.lax.stop_gradient(code)) / (len(values) * place) for place in values]
    return jnp.stack(jax.lax.stop_gradient(digits), -2) + jnp.stack(share, -2)


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


def drive_power(
    code: Float[Array, "*batch n"],
    *,
    bits: int,
    neighbours: bool,
    signed: bool = True,
    slice_bits: int = 1,
) -> Float[Array, "*batch m"]:
    """Return Σ_b p_b² v_b², the factor that multiplies a cell's noise variance on its line.

    `v_b` is the voltage that the pulse of place value p_b puts on the line, in units of the
    smallest digit: a signed digit, or the difference of two neighbouring inputs where a cell serves
    two weights. Every pulse is a read of its own with fresh noise, so variances add with p_b².
    """
    power = 0.0
    for place in places(bits, signed=signed, slice_bits=slice_bits):
        pulse = digit(code, place=place, slice_bits=slice_bits)
        power = power + float(place) ** 2 * jnp.square(to_lines(pulse, neighbours=neighbours))
    return jnp.asarray(power)


def to_lines(x: Float[Array, "*batch n"], *, neighbours: bool) -> Float[Array, "*batch m"]:
    """Return the voltages on the word lines: `x` itself, or xᵣ₋₁ − xᵣ for shared cells."""
    if not neighbours:
        return x
    edge = jnp.zeros((*x.shape[:-1], 1), x.dtype)
    return jnp.concatenate([edge, x], -1) - jnp.concatenate([x, edge], -1)
