"""The scalar densities themselves as features: a connection around the chip.

ρ_00,(s n) is computed digitally before anything enters the chip. Handing it to the readout as well
costs nothing and carries the large, stiff pair forces without read noise; the chip is left with
what needs many bodies.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from rgnn.reservoir.density import EdgeFunctions


def skip_values(
    densities: Sequence[Float[Array, "_ n_atom _"]],
) -> Float[Array, "n_atom n_in"]:
    """Return the scalar density of every element and radial function."""
    return densities[0][0]


def skip_jacobian(
    edges: EdgeFunctions, slices: Sequence[slice]
) -> Float[Array, "n_atom n_neighbour 3 n_in"]:
    """Return ∂ρ_00 / ∂(pair vector) = R′ r̂, in the columns of the neighbour's element."""
    rows = edges.unit[..., None] * edges.radial_slope[..., None, :]
    blocks = []
    for element, columns in enumerate(slices):
        own = rows[:, columns]
        empty = jnp.zeros_like(own)
        parts = [own if e == element else empty for e in range(len(slices))]
        blocks.append(jnp.concatenate(parts, axis=-1))
    return jnp.concatenate(blocks, axis=1)


def skip_gradient(
    weights: Float[Array, "n_atom n_in"], edges: EdgeFunctions, slices: Sequence[slice]
) -> Float[Array, "n_atom n_neighbour 3"]:
    """Return ∂(weights · ρ_00) / ∂(pair vector)."""
    count = edges.radial.shape[-1]
    parts = [
        jnp.einsum(
            "in,ijn->ij",
            weights[:, element * count : (element + 1) * count],
            edges.radial_slope[:, columns],
        )
        for element, columns in enumerate(slices)
    ]
    return jnp.concatenate(parts, axis=1)[..., None] * edges.unit
