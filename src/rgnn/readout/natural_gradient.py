"""Exact natural gradient of a variational energy: stochastic reconfiguration and SPRING.

With the centred log-derivatives Ō (samples × parameters, divided by √samples) and the centred
local energies ε̄ (divided alike), the direction is the solution of a damped least-squares problem
that remembers the previous direction φ′,

    φ = μ φ′ + (Ōᵀ Ō + λ D)⁻¹ Ōᵀ (ε̄ − Ō μ φ′),        D = diag(Ōᵀ Ō) + floor · 1,
    λ = max(damping, noise · ε̄ᵀ ε̄)

μ = 0 is stochastic reconfiguration (doi 10.1103/PhysRevB.71.241103), μ > 0 is SPRING
(doi 10.1016/j.jcp.2024.113351). The system is solved with as many unknowns as there are samples
or parameters, whichever is fewer; the two forms are the same numbers. Damping a parameter in units
of its own variance makes the direction independent of how parameters are scaled; the floor holds
back those that hardly change ψ, which would otherwise run far on noise. For the same reason λ grows
with the variance of the local energy ε̄ᵀ ε̄: where samples are hardly more than parameters, a heavy
atom's first local energies would be fitted one by one.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float


@dataclass(frozen=True)
class NaturalGradient:
    """Settings of the direction and of the step along it."""

    damping: float = 1e-3
    """Least λ: relative increase of every parameter's variance."""
    noise: float = 0.005
    """λ for every Ha² that the local energy varies [1/Ha²]."""
    momentum: float = 0.0
    """μ: how much of the previous direction is kept."""
    floor: float = 0.01
    """Variance of a log-derivative below which damping no longer shrinks with it."""
    trust: float = 0.2
    """Largest change of ψ in a step, |δψ|/|ψ| = step · √(φᵀ Ōᵀ Ō φ), and of any parameter."""


def direction(
    jacobian: Float[Array, "sample parameter"],
    residual: Float[Array, " sample"],
    previous: Float[Array, " parameter"],
    settings: NaturalGradient,
    *,
    stiffness: Float[Array, "row parameter"] | None = None,
) -> Float[Array, " parameter"]:
    """Return φ for log-derivatives and local energies; both are centred here.

    Energy falls along −φ. Rows of `stiffness` K add KᵀK / rows to the metric. Computed in the
    precision of `previous`.
    """
    o, e = _centred(jacobian, previous.dtype), _centred(residual, previous.dtype)
    if stiffness is not None:
        rows = stiffness.astype(previous.dtype) / jnp.sqrt(stiffness.shape[0])
        o, e = jnp.concatenate([o, rows]), jnp.concatenate([e, jnp.zeros(rows.shape[0], e.dtype)])
    kept = settings.momentum * previous
    # In units where every parameter's variance is about 1, single precision does for products.
    unit = jnp.sqrt(jnp.sum(o * o, axis=0) + settings.floor)
    scaled = (o / unit).astype(jacobian.dtype)
    damping = jnp.maximum(settings.damping, settings.noise * (e @ e))
    return kept + _least_squares(scaled, e - o @ kept, damping) / unit


def step_size(
    phi: Float[Array, " parameter"],
    jacobian: Float[Array, "sample parameter"],
    rate: Float[Array, ""] | float,
    settings: NaturalGradient,
) -> Float[Array, ""]:
    """Return the step along −φ: `rate`, or less where ψ or a parameter would change too much."""
    change = jnp.maximum(
        jnp.linalg.norm(_centred(jacobian, phi.dtype) @ phi), jnp.max(jnp.abs(phi))
    )
    return jnp.minimum(rate, settings.trust / jnp.maximum(change, jnp.finfo(phi.dtype).tiny))


def _least_squares(o: Array, target: Array, damping: Array) -> Array:
    """Return (OᵀO + λ)⁻¹ Oᵀ t = Oᵀ (O Oᵀ + λ)⁻¹ t, by whichever has fewer unknowns."""
    rows, columns = o.shape
    wide = rows < columns
    gram = (o @ o.T if wide else o.T @ o).astype(target.dtype)
    factor = cho_factor(gram + damping * jnp.eye(gram.shape[0], dtype=gram.dtype))
    o = o.astype(target.dtype)
    return o.T @ cho_solve(factor, target) if wide else cho_solve(factor, o.T @ target)


def _centred(samples: Array, dtype: jnp.dtype) -> Array:
    samples = samples.astype(dtype)
    return (samples - samples.mean(0)) / jnp.sqrt(samples.shape[0])
