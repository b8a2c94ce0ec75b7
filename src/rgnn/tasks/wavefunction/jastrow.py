"""Exact cusps: the factors that keep the local energy finite where particles meet.

Kato's conditions ask for ∂ log ψ/∂r = −Z at a nucleus and 1/2 (unlike spins) or 1/4 (like spins)
where two electrons meet (doi 10.1002/cpa.3160100201). Everything else in ψ is smooth there.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rgnn.tasks.wavefunction.electrons import Spins, gather, pair, scatter
from rgnn.tasks.wavefunction.jet import Field, sqrt


def smooth_distance(displacement: Field, charges: Float[Array, " m"]) -> Field:
    """Return s_A = √(r² + 1/Z²) − 1/Z, (…, n, m): r far away, without its kink at the nucleus."""
    length = 1 / charges
    return sqrt((displacement * displacement).sum(-1) + jnp.square(length)) + (-length)


def nuclear_cusp(displacement: Field, smooth: Field, charges: Float[Array, " m"]) -> Field:
    """Return Σ_i Σ_A −Z_A (r_iA − s_iA), which has the cusp and levels off at −1 per nucleus.

    Together with e^(−Z s) it is the hydrogen-like orbital e^(−Z r), exactly.
    """
    distance = sqrt((displacement * displacement).sum(-1))
    terms = (distance + -smooth) * (-charges)
    return scatter(terms.sum(-1)[..., None]).sum((-1, -2))


def electron_cusp(separation: Field, spins: Spins, ranges: Float[Array, "2"]) -> Field:
    """Return Σ_{i<j} c (r − √(r² + a²)), c = 1/4, 1/2 and `ranges` a for like, unlike spins.

    Its only odd power of r_ij is the cusp itself: whatever else ψ needs at short range is even and
    within reach of smooth features.
    """
    square = (separation * separation).sum(-1)[..., None]
    distance, total = sqrt(square), None
    for mask, slope, a in ((spins.same, 0.25, ranges[0]), (spins.opposite, 0.5, ranges[1])):
        short = distance + -sqrt(square + a * a)
        term = gather(pair(short), mask).sum((-1, -2)) * (0.5 * slope)
        total = term if total is None else total + term
    return total
