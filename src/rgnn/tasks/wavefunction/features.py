"""What the chip is shown: smooth, bounded functions of electron positions.

Nothing here has a cusp, so that everything behind it is smooth where particles meet; the exact
cusps are factors of their own (`jastrow`). Lengths are scaled with the nuclear charge, so that a
core is resolved as well as a bond.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.tasks.wavefunction.electrons import differences
from rgnn.tasks.wavefunction.jet import (
    Field,
    concatenate,
    coordinates,
    linear,
    log,
    reciprocal,
    sqrt,
)

VALENCE = 1.5
"""Second length [bohr] at which elements beyond helium are seen."""

PAIR = 1.0
"""Length [bohr] at which pairs of electrons are seen."""

LOG_UNIT = 3.0
"""Logarithms of a distance are divided by this to fit the input range."""


def displacements(
    electrons: Float[Array, "*batch n 3"], nuclei: Float[Array, "m 3"], *, derivatives: bool
) -> Field:
    """Return r_i − R_A, (…, n, m, 3), with derivatives by r_i where asked for."""
    x: Field = coordinates(electrons) if derivatives else electrons
    shape = (nuclei.shape[0], 3)
    spread = linear(lambda r: jnp.broadcast_to(r[..., None, :], (*r.shape[:-1], *shape)), x)
    return spread + (-nuclei)


def separations(electrons: Float[Array, "*batch n 3"], *, derivatives: bool) -> Field:
    """Return r_i − r_j, (…, n, n, 3), with derivatives by r_i where asked for."""
    x = differences(electrons)
    return coordinates(x) if derivatives else x


def one_electron(displacement: Field, charges: tuple[float, ...]) -> Field:
    """Return 1 and the features of every electron near every nucleus, (…, n, n_feature)."""
    parts = [seen_at(displacement, 1 / np.asarray(charges))]
    heavy = _beyond_helium(charges)
    if heavy:
        parts.append(seen_at(displacement[..., heavy, :], np.full(len(heavy), VALENCE)))
    flat = [linear(lambda f: f.reshape(*f.shape[:-2], -1), part) for part in parts]
    return concatenate([_one(flat[0]), *flat])


def two_electron(separation: Field) -> Field:
    """Return 1 and the features of every pair of electrons, (…, n, n, 5)."""
    seen = seen_at(separation, np.full(1, PAIR))
    return concatenate([_one(seen), seen])


def seen_at(vector: Field, length: Float[np.ndarray, " m"]) -> Field:
    """Return v/√(v² + b²) and log(1 + v²/b²)/2 for lengths b: four bounded, smooth numbers."""
    b2 = jnp.asarray(length**2, vector.dtype)[:, None]
    square = (vector * vector).sum(-1)[..., None] + b2
    radial = log(square * (1 / b2)) * (0.5 / LOG_UNIT)
    return concatenate([vector * reciprocal(sqrt(square)), radial])


def count_one(charges: tuple[float, ...]) -> int:
    """Return the number of features of `one_electron`."""
    return 1 + 4 * (len(charges) + len(_beyond_helium(charges)))


COUNT_TWO = 5
"""Number of features of `two_electron`."""


def _beyond_helium(charges: tuple[float, ...]) -> list[int]:
    return [atom for atom, z in enumerate(charges) if z > 2]


def _one(f: Field) -> Field:
    """Return the constant 1 as one more feature: its weights are the biases."""
    return f[..., :1] * 0.0 + 1.0
