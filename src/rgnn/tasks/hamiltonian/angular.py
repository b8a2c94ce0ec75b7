"""Real spherical harmonics, rotations of them, and the tensors that couple two into a third.

Components run m = −l … l; m < 0 goes with sin|m|φ, m > 0 with cos mφ, and no Condon–Shortley
sign. Harmonics are component-normalised: Σ_m Y_lm² = 2l + 1 on the unit sphere.
"""

import functools
import math

import numpy as np
from jaxtyping import Float

from rgnn.graph.harmonics import spherical_harmonics


def harmonics(
    vectors: Float[np.ndarray, "*batch 3"], *, lmax: int
) -> list[Float[np.ndarray, "*batch _"]]:
    """Return Y_0 … Y_lmax of unit `vectors`, the last axis running m = −l … l."""
    flat = np.asarray(spherical_harmonics(vectors, lmax))
    return [flat[..., degree**2 : (degree + 1) ** 2] for degree in range(lmax + 1)]


@functools.cache
def _probe(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Return fixed directions and the matrix that turns values on them into coefficients."""
    directions = np.random.default_rng(1).normal(size=(4 * degree + 4, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions, np.linalg.pinv(harmonics(directions, lmax=degree)[degree])


def rotation(
    matrices: Float[np.ndarray, "*batch 3 3"], *, degree: int
) -> Float[np.ndarray, "*batch m m"]:
    """Return D with Y_l(R v) = D(R) Y_l(v) for every orthogonal R in `matrices`."""
    directions, inverse = _probe(degree)
    values = harmonics(directions @ np.swapaxes(matrices, -1, -2), lmax=degree)[degree]
    return np.swapaxes(inverse @ values, -1, -2)


@functools.cache
def coupling(l1: int, l2: int, l3: int) -> Float[np.ndarray, "m1 m2 m3"]:
    """Return C with Σ_{ab} C_abk C_abk' = δ_kk' that couples l1 ⊗ l2 → l3.

    Clebsch–Gordan coefficients (Racah's formula) turned to real harmonics. They are real for
    even l1 + l2 + l3 and imaginary otherwise; the factor i is dropped.
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(f"l = {l1} and {l2} do not couple to {l3}")
    complex_tensor = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            value = _clebsch_gordan(l1, m1, l2, m2, l3)
            complex_tensor[m1 + l1, m2 + l2, m1 + m2 + l3] = value
    u1, u2, u3 = _to_real(l1), _to_real(l2), _to_real(l3)
    tensor = np.einsum("ai,bj,ck,ijk->abc", u1, u2, u3.conj(), complex_tensor, optimize=True)
    return np.ascontiguousarray(tensor.real if (l1 + l2 + l3) % 2 == 0 else tensor.imag)


def _to_real(degree: int) -> np.ndarray:
    """Return U with Y_real = U Y_complex (Condon–Shortley phase in the complex ones)."""
    u = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    u[degree, degree] = 1
    for m in range(1, degree + 1):
        sign = (-1) ** m
        u[degree + m, [degree + m, degree - m]] = sign / math.sqrt(2), 1 / math.sqrt(2)
        u[degree - m, [degree + m, degree - m]] = -1j * sign / math.sqrt(2), 1j / math.sqrt(2)
    return u


def _clebsch_gordan(l1: int, m1: int, l2: int, m2: int, l3: int) -> float:
    """Return ⟨l1 m1 l2 m2 | l3 m1+m2⟩ by Racah's formula."""
    f, m3 = math.factorial, m1 + m2
    front = (2 * l3 + 1) * f(l3 + l1 - l2) * f(l3 - l1 + l2) * f(l1 + l2 - l3)
    front *= f(l3 + m3) * f(l3 - m3) * f(l1 - m1) * f(l1 + m1) * f(l2 - m2) * f(l2 + m2)
    total = 0.0
    for k in range(l1 + l2 - l3 + 1):
        terms = (k, l1 + l2 - l3 - k, l1 - m1 - k, l2 + m2 - k, l3 - l2 + m1 + k, l3 - l1 - m2 + k)
        if min(terms) >= 0:
            total += (-1) ** k / math.prod(f(t) for t in terms)
    return math.sqrt(front / f(l1 + l2 + l3 + 1)) * total


def bond_frames(
    vectors: Float[np.ndarray, "n_bond 3"],
) -> Float[np.ndarray, "n_bond 3 3"]:
    """Return proper rotations that turn every bond vector to +z.

    The azimuth is arbitrary, and results never depend on it: readouts act on whole m pairs.
    """
    z = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    helper = np.eye(3)[np.argmin(np.abs(z), axis=1)]
    x = np.cross(helper, z)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=1)
