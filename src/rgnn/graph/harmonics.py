"""Real spherical harmonics and the tensors that couple them."""

from functools import cache
from math import factorial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def spherical_harmonics(
    unit: Float[Array | np.ndarray, "*batch 3"], lmax: int
) -> Float[Array | np.ndarray, "*batch lm"]:
    """Return Y_lm of unit vectors, l-major, m = −l … l, with Σ_m Y_lm² = 2l + 1.

    Built from Re and Im of (x + iy)^m and the associated Legendre recursion in z, all of it
    polynomial, so that derivatives are finite everywhere. NumPy arrays give NumPy arrays.
    """
    xp = np if isinstance(unit, np.ndarray) else jnp
    x, y, z = unit[..., 0], unit[..., 1], unit[..., 2]
    real, imaginary = [xp.ones_like(x)], [xp.zeros_like(x)]
    for _ in range(lmax):
        real, imaginary = (
            [*real, x * real[-1] - y * imaginary[-1]],
            [*imaginary, x * imaginary[-1] + y * real[-1]],
        )
    legendre = _legendre(z, lmax)
    columns = []
    for degree in range(lmax + 1):
        for m in range(-degree, degree + 1):
            phase = real[m] if m >= 0 else imaginary[-m]
            columns.append(_norm(degree, abs(m)) * legendre[degree, abs(m)] * phase)
    return xp.stack(columns, axis=-1)


def _legendre(z: Any, lmax: int) -> dict[tuple[int, int], Any]:
    """Return P_lm(z) / (1 − z²)^(m/2), polynomials in z."""
    table = {}
    for m in range(lmax + 1):
        table[m, m] = 0 * z + float(np.prod(np.arange(1, 2 * m, 2)))
        if m < lmax:
            table[m + 1, m] = (2 * m + 1) * z * table[m, m]
        for degree in range(m + 2, lmax + 1):
            table[degree, m] = (
                (2 * degree - 1) * z * table[degree - 1, m]
                - (degree + m - 1) * table[degree - 2, m]
            ) / (degree - m)
    return table


def _norm(degree: int, m: int) -> float:
    multiplicity = 2 if m else 1
    ratio = factorial(degree - m) / factorial(degree + m)
    return float(np.sqrt((2 * degree + 1) * multiplicity * ratio))


@cache
def coupling(a: int, b: int, c: int) -> Float[np.ndarray, "i j k"]:
    """Return the invariant tensor that couples degrees a, b and c to a scalar, of norm 1.

    For even a + b + c it is the Gaunt integral ∫ Y_a Y_b Y_c dΩ up to its norm, evaluated by an
    exact product quadrature (Gauss–Legendre in cos θ, equidistant in φ).
    """
    if (a + b + c) % 2 or not abs(a - b) <= c <= a + b:
        raise ValueError(f"degrees {a}, {b}, {c} do not couple to a true scalar")
    order = (a + b + c) // 2 + 1
    cosine, weight = np.polynomial.legendre.leggauss(order)
    azimuth = np.arange(2 * order + 1) * (2 * np.pi / (2 * order + 1))
    sine = np.sqrt(1 - cosine**2)[:, None]
    unit = np.stack(
        [
            (sine * np.cos(azimuth)).ravel(),
            (sine * np.sin(azimuth)).ravel(),
            np.repeat(cosine, len(azimuth)),
        ],
        axis=-1,
    )
    y = np.asarray(spherical_harmonics(unit, max(a, b, c)))
    pick = [y[:, degree**2 : (degree + 1) ** 2] for degree in (a, b, c)]
    tensor = np.einsum("qi,qj,qk,q->ijk", *pick, np.repeat(weight, len(azimuth)))
    tensor[np.abs(tensor) < 1e-10 * np.abs(tensor).max()] = 0.0
    return tensor / np.linalg.norm(tensor)
