"""Radial functions of a pair distance: short-range first, smooth at the cutoff."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_P, _Q = 2.0, 4.0
"""Exponents of the Agnesi transform (p, q) of ACEpotentials, doi 10.1063/5.0158783."""

_A = (-2 * _Q + _P * (-2 + 4 * _Q)) / (_P + _P**2 + _Q + _Q**2)
"""Puts the steepest slope of the transform at the reference distance."""


_NEAR_POWER = 8
"""How sharply near functions fade: at twice their reach 1/257 is left."""


class RadialBasis(eqx.Module):
    """Legendre polynomials of a transformed distance times a smooth cutoff.

    The Agnesi transform t(d) = 1 / (1 + a s^q / (1 + s^(q−p))), s = d / d₀, resolves distances
    near the pair's own d₀ (`reference_distance`, one for every pair of species) and levels off
    towards the core. The functions are deliberately not orthonormalised on the data: that would
    whiten away the decay towards fine radial detail, which is the prior that makes random
    mixing work.

    With `near` the second half of the functions are the first half times 1 / (1 + (d / near)⁸):
    the same resolution among the bonded neighbours alone.
    """

    reference_distance: Float[Array, "n_species n_species"]
    cutoff: float = eqx.field(static=True)
    count: int = eqx.field(static=True)
    near: float = eqx.field(static=True, default=0.0)

    def __call__(
        self,
        distance: Float[Array, "*edge"],
        centre: Int[Array, "*edge"],
        neighbour: Int[Array, "*edge"],
    ) -> Float[Array, "*edge n_radial"]:
        """Return the radial functions, exactly 0 at and beyond the cutoff."""
        reference = self.reference_distance[centre, neighbour]
        edge = _agnesi(self.cutoff / reference)
        t = 2 * (_agnesi(distance / reference) - edge) / (1 - edge) - 1
        polynomials, own = [jnp.ones_like(t), t], self.count // 2 if self.near else self.count
        for n in range(2, own):
            polynomials.append(((2 * n - 1) * t * polynomials[-1] - (n - 1) * polynomials[-2]) / n)
        basis = jnp.stack(polynomials[:own], axis=-1)
        basis = 2 * basis * envelope(distance / self.cutoff)[..., None]
        if not self.near:
            return basis
        fading = 1 / (1 + (distance / self.near) ** _NEAR_POWER)
        return jnp.concatenate([basis, basis * fading[..., None]], axis=-1)


def envelope(x: Float[Array, "*edge"]) -> Float[Array, "*edge"]:
    """Return a factor that falls from 1 to 0 on [0, 1] with two continuous derivatives.

    f(x) = (1 − x)³ (1 + 3x + 6x²): f, f′ and f″ vanish at the cutoff.
    """
    inside = jnp.clip(x, 0.0, 1.0)
    return (1 - inside) ** 3 * (1 + 3 * inside + 6 * inside**2)


def _agnesi(s: Array | float) -> Array:
    s = jnp.asarray(s)
    return 1 / (1 + _A * s**_Q / (1 + s ** (_Q - _P)))
