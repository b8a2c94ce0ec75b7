"""Wavefunction values as a sign and a logarithm, and determinants that keep derivatives.

Up to four electrons of a spin a determinant is a polynomial written out, which XLA fuses with its
surroundings; beyond that it is factorised, with

    ∂_a log|det M| = tr(M⁻¹ ∂_a M),   Δ log|det M| = tr(M⁻¹ ΔM) − Σ_a tr(M⁻¹ ∂_a M M⁻¹ ∂_a M).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rgnn.tasks.wavefunction.jet import Field, Jet, linear, log, value

EXPLICIT = 4
"""Largest determinant that is written out."""


class SignLog(NamedTuple):
    """ψ = sign · e^log."""

    sign: Array
    log: Field


class Scaled(NamedTuple):
    """ψ = value · e^scale, where `scale` is a number chosen to keep `value` of order one."""

    value: Field
    scale: Array


def determinant(matrix: Field) -> Scaled:
    """Return det of (…, n, n); one electron a row."""
    n = matrix.shape[-1]
    if n > EXPLICIT:
        return _factorised(matrix)
    if n == 0:
        one = linear(lambda m: m.sum((-1, -2)), matrix) + 1.0
        return Scaled(one, jnp.zeros(one.shape, one.dtype))
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(value(matrix)), axis=-1, keepdims=True))
    # On a node of an orbital a single entry is 0 to the last bit; derivatives by it stay finite.
    size = jnp.maximum(size, jnp.finfo(size.dtype).eps ** 2)
    return Scaled(_explicit(matrix * (1 / size)), jnp.log(size).sum((-1, -2)))


def combine(up: Scaled, down: Scaled, coefficient: Float[Array, " n_determinant"]) -> SignLog:
    """Return Σ_d c_d det_d↑ det_d↓ over the last axis."""
    scale = up.scale + down.scale
    top = jax.lax.stop_gradient(scale.max(-1))
    weight = coefficient * jnp.exp(jax.lax.stop_gradient(scale) - top[..., None])
    total = (up.value * down.value * weight).sum(-1)
    return SignLog(jnp.sign(value(total)), log(total) + top)


def _explicit(m: Field) -> Field:
    """Return the determinant by products of complementary 2×2 minors of the first rows."""
    n = m.shape[-1]
    if n == 1:
        return m[..., 0, 0]
    if n == 2:
        return m[..., 0, 0] * m[..., 1, 1] + -(m[..., 0, 1] * m[..., 1, 0])
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    i, j = (list(index) for index in zip(*pairs, strict=True))
    rest = [[k for k in range(n) if k not in pair] for pair in pairs]
    sign = jnp.asarray([(-1.0) ** (a + b + 1) for a, b in pairs], m.dtype)
    top = m[..., 0, i] * m[..., 1, j] + -(m[..., 0, j] * m[..., 1, i])
    if n == 3:
        return (top * m[..., 2, [r[0] for r in rest]] * sign).sum(-1)
    left, right = ([r[side] for r in rest] for side in (0, 1))
    bottom = m[..., 2, left] * m[..., 3, right] + -(m[..., 2, right] * m[..., 3, left])
    return (top * bottom * sign).sum(-1)


def _factorised(matrix: Field) -> Scaled:
    """Return the determinant as ±1 with the derivatives of its logarithm, and the logarithm."""
    sign, logarithm = jnp.linalg.slogdet(value(matrix))
    scale = jax.lax.stop_gradient(logarithm)
    if not isinstance(matrix, Jet):
        return Scaled(sign * jnp.exp(logarithm - scale), scale)
    inverse = jnp.linalg.inv(matrix.x)
    ratio = inverse @ matrix.dx  # M⁻¹ ∂_a M
    first = jnp.trace(ratio, axis1=-2, axis2=-1)
    product = jnp.mean(jnp.einsum("ra...ij,ra...ji->r...", ratio, ratio[::-1]), axis=0)
    square = jnp.sum(jnp.mean(first * first[::-1], axis=0), axis=0)
    second = jnp.einsum("...ij,...ji->...", inverse, matrix.lap) - product + square
    return Scaled(Jet(sign, sign * first, sign * second), scale)
