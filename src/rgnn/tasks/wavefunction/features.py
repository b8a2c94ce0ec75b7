"""What the chip is shown: bounded functions of electron positions.

Nothing here has a cusp: the exact ones are factors of their own (`jastrow`). At a nucleus e^(−Zr)
is the cusp of the spherical part of ψ, but a part that changes sign with the direction v needs
v e^(−Zr/2) (Pack and Byers Brown, J. Chem. Phys. 45, 556, 1966), which differs from a smooth
function times e^(−Zr) by v r: without it the local energy jumps across the nucleus. Electrons
are therefore shown directions smooth and with that kink, and readouts can mix the two.
Lengths are scaled with the nuclear charge, so that a core is resolved as well as a bond.
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
"""Second length [bohr] at which elements beyond helium are seen; those beyond beryllium, whose
second shell lies further in, also at the geometric mean of both."""

PAIR = 1.0
"""Length [bohr] at which pairs of electrons are seen, in cores also at 2/Z of the heaviest."""

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
    """Return r_i − r_j, (…, n, n − 1, 3), with derivatives by r_i where asked for."""
    x = differences(electrons)
    return coordinates(x) if derivatives else x


def one_electron(displacement: Field, charges: tuple[float, ...]) -> Field:
    """Return 1 and the features of every electron near every nucleus, (…, n, n_feature)."""
    inverse = 1 / np.asarray(charges)
    parts = [seen_at(displacement, inverse), kinked(displacement, inverse)]
    heavy, heavier = _beyond(2, charges), _beyond(4, charges)
    if heavy:
        parts.append(seen_at(displacement[..., heavy, :], np.full(len(heavy), VALENCE)))
    if heavier:
        between = np.sqrt(VALENCE * inverse[heavier])
        parts.append(seen_at(displacement[..., heavier, :], between))
    flat = [linear(lambda f: f.reshape(*f.shape[:-2], -1), part) for part in parts]
    return concatenate([_one(flat[0]), *flat])


def two_electron(separation: Field, charges: tuple[float, ...], *, odd: bool) -> Field:
    """Return 1 and the features of every difference of electrons, (…, n, n − 1, n_feature).

    With `odd` also directions with a kink, which ψ needs where it changes sign with r_i − r_j.
    """
    lengths = [np.full(1, length) for length in _pair_lengths(charges)]
    parts = [seen_at(separation, length) for length in lengths]
    if odd:
        parts += [kinked(separation, length) for length in lengths]
    return concatenate([_one(parts[0]), *parts])


def seen_at(vector: Field, length: Float[np.ndarray, " m"]) -> Field:
    """Return v/√(v² + b²), log(1 + v²/b²)/6 and shells 2/(1 + v²/c²) − 1, c = b, 2b."""
    b2 = jnp.asarray(length**2, vector.dtype)[:, None]
    square = (vector * vector).sum(-1)[..., None]
    radial = log(square * (1 / b2) + 1.0) * (0.5 / LOG_UNIT)
    shells = [reciprocal(square * (1 / (c * c * b2)) + 1.0) * 2.0 + (-1.0) for c in SHELLS]
    return concatenate([vector * reciprocal(sqrt(square + b2)), radial, *shells])


def kinked(vector: Field, length: Float[np.ndarray, " m"]) -> Field:
    """Return v r/(v² + b²), which is v r/b² where r is small and the direction far away."""
    b2 = jnp.asarray(length**2, vector.dtype)[:, None]
    square = (vector * vector).sum(-1)[..., None]
    return vector * (sqrt(square) * reciprocal(square + b2))


SHELLS = (1.0, 2.0)
"""Radii at which a neuron can tell inside from outside, in units of the length.

None is smaller: what varies over a fraction of 1/Z is seen by hardly any walker, and trained there
by noise.
"""

SEEN = 4 + len(SHELLS)
"""Numbers of `seen_at`."""


def count_one(charges: tuple[float, ...]) -> int:
    """Return the number of features of `one_electron`."""
    seen = len(charges) + len(_beyond(2, charges)) + len(_beyond(4, charges))
    return 1 + SEEN * seen + 3 * len(charges)


def count_two(charges: tuple[float, ...], *, odd: bool) -> int:
    """Return the number of features of `two_electron`."""
    return 1 + (SEEN + 3 * odd) * len(_pair_lengths(charges))


def _pair_lengths(charges: tuple[float, ...]) -> list[float]:
    return [PAIR, 2 / max(charges)] if _beyond(2, charges) else [PAIR]


def _beyond(number: int, charges: tuple[float, ...]) -> list[int]:
    return [atom for atom, z in enumerate(charges) if z > number]


def _one(f: Field) -> Field:
    """Return the constant 1 as one more feature: its weights are the biases."""
    return f[..., :1] * 0.0 + 1.0
