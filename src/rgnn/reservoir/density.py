"""Neighbour densities: what an atom sees around it, expanded in Y_lm and radial functions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rgnn.graph.harmonics import spherical_harmonics
from rgnn.graph.radial import RadialBasis


class EdgeFunctions(NamedTuple):
    """Radial functions and harmonics of every pair, and their gradients by the pair vector."""

    radial: Float[Array, "*edge n_radial"]
    radial_slope: Float[Array, "*edge n_radial"]
    angular: Float[Array, "*edge lm"]
    angular_gradient: Float[Array, "*edge 3 lm"]
    unit: Float[Array, "*edge 3"]

    def value(self, degree: int) -> Float[Array, "m *edge n_radial"]:
        """Return R_n Y_lm for one degree."""
        y = jnp.moveaxis(self.angular[..., degree**2 : (degree + 1) ** 2], -1, 0)
        return y[..., None] * self.radial

    def gradient(self, degree: int) -> Float[Array, "m *edge 3 n_radial"]:
        """Return ∇(R_n Y_lm) for one degree [1/Å]."""
        block = slice(degree**2, (degree + 1) ** 2)
        y = jnp.moveaxis(self.angular[..., block], -1, 0)[..., None, None]
        dy = jnp.moveaxis(self.angular_gradient[..., block], -1, 0)[..., None]
        along = self.unit[..., :, None] * self.radial_slope[..., None, :]
        return y * along + dy * self.radial[..., None, :]


def edge_functions(
    vector: Float[Array, "*edge 3"],
    centre: Int[Array, "*edge"],
    neighbour: Int[Array, "*edge"],
    radial: RadialBasis,
    lmax: int,
    scale: Float[Array, " n_radial"],
) -> EdgeFunctions:
    """Return the edge functions of pair vectors [Å], radial ones times `scale`."""
    distance = jnp.sqrt(jnp.square(vector).sum(-1))
    unit = vector / distance[..., None]

    def shape(d: Array) -> Array:
        return radial(d, centre, neighbour) * scale

    values, slopes = jax.jvp(shape, (distance,), (jnp.ones_like(distance),))
    angular, angular_gradient = _harmonics_with_gradient(unit, lmax)
    tangential = angular_gradient / distance[..., None, None]
    return EdgeFunctions(values, slopes, angular, tangential, unit)


def _harmonics_with_gradient(unit: Array, lmax: int) -> tuple[Array, Array]:
    """Return Y_lm and its gradient on the sphere, projected orthogonal to `unit`."""

    def along(direction: Array) -> tuple[Array, Array]:
        return jax.jvp(
            lambda u: spherical_harmonics(u, lmax),
            (unit,),
            (jnp.broadcast_to(direction, unit.shape),),
        )

    y, slopes = jax.vmap(along, out_axes=(None, -2))(jnp.eye(3, dtype=unit.dtype))
    inward = jnp.einsum("...x,...xk->...k", unit, slopes)
    return y, slopes - unit[..., :, None] * inward[..., None, :]
