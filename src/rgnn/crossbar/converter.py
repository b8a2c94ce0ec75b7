"""The converters at the edge of an array: numbers to bit planes, line currents to numbers.

Rounding is a staircase, whose true derivative is 0 or infinite. `jax.grad` gets the derivative of
the line through the stairs instead (a straight-through estimate); outside the range it is 0.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def full_scale(bits: int) -> int:
    """Return the largest code of a signed `bits`-bit input (sign and magnitude)."""
    return 2 ** (bits - 1) - 1


def encode(u: Float[Array, "*batch n"], *, bits: int) -> Float[Array, "*batch n"]:
    """Return the integer codes nearest to `u` ∈ [−1, 1], kept as floats; outside it saturates.

    Codes run from −(2^(bits−1) − 1) to +(2^(bits−1) − 1): rounded, never truncated, and a
    function of each entry alone, so that no entry depends on its neighbours in a batch.
    """
    top = full_scale(bits)
    return jnp.clip(rounded(u * top), -top, top)


def digitise(
    y: Float[Array, "*batch n"], *, limit: Float[Array, ""] | float, bits: int | None
) -> Float[Array, "*batch n"]:
    """Return `y` as a mid-tread converter of ±`limit` reports it; `bits=None` is ideal."""
    if bits is None:
        return y
    step = limit / full_scale(bits)
    return jnp.clip(rounded(y / step) * step, -limit, limit)


@jax.custom_jvp
def rounded(x: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """Return the nearest integers; derivatives pass as if `x` had been returned."""
    return jnp.round(x)


@rounded.defjvp
def _rounded_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return jnp.round(primals[0]), tangents[0]


def drive_power(
    code: Float[Array, "*batch n"], *, bits: int, neighbours: bool
) -> Float[Array, "*batch m"]:
    """Return Σ_b 4ᵇ v_b², the factor that multiplies a cell's noise variance on its line.

    `v_b` is the ternary voltage that bit plane `b` puts on the line: ±bit, or the difference of
    two neighbouring inputs where a cell serves two weights. Every plane is a read of its own
    with fresh noise, so variances add with weight (2ᵇ)².
    """
    sign, magnitude = jnp.sign(code), jnp.abs(code)
    power = 0.0
    for bit in range(bits - 1):
        plane = sign * jnp.mod(jnp.floor(magnitude / 2**bit), 2)
        power = power + 4.0**bit * jnp.square(to_lines(plane, neighbours=neighbours))
    return jnp.asarray(power)


def to_lines(x: Float[Array, "*batch n"], *, neighbours: bool) -> Float[Array, "*batch m"]:
    """Return the voltages on the word lines: `x` itself, or xᵣ₋₁ − xᵣ for shared cells."""
    if not neighbours:
        return x
    edge = jnp.zeros((*x.shape[:-1], 1), x.dtype)
    return jnp.concatenate([edge, x], -1) - jnp.concatenate([x, edge], -1)
