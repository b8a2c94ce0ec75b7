"""What goes around the chip: few-body features the readout sees without read noise.

ρ_00,(s n) is computed digitally before anything enters the chip; handing it to the readout costs
nothing and carries the large, stiff pair forces. Products of two densities of single channels –
the smoothest combinations of the complete basis – do the same for the stiff angles of molecules,
and products of trained channels (`crossbar.channels`) for whatever the data find stiff. The chip
is left with what needs many bodies: small corrections, whose read noise is small too.
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.gradient import cotangents, pair_gradient
from rgnn.reservoir.jacobian import by_atom, pair_jacobian, pair_reads
from rgnn.reservoir.layer import DensityLayer
from rgnn.reservoir.products import FactorSlopes, Product, evaluate_all


class Skip(eqx.Module):
    """Scalar densities, then products of two or three densities, all digital."""

    layer: DensityLayer
    """Digital matrices: rows with a single 1, which pick inputs, then trained channels."""
    plan: tuple[Product, ...] = eqx.field(static=True)

    @property
    def widths(self) -> list[int]:
        """Return how many features of each kind there are, in order."""
        return [self.layer.mixing[0].weight.shape[1], *(p.width for p in self.plan)]

    def pool(
        self, densities: Sequence[Float[Array, "_m n_atom _in"]]
    ) -> list[Float[Array, "_m n_atom _column"]]:
        """Return the columns that products are made of."""
        return self.layer.mix(densities, None)

    def evaluate(
        self,
        densities: Sequence[Float[Array, "_m n_atom _in"]],
        pool: Sequence[Float[Array, "_m n_atom _column"]],
    ) -> tuple[Float[Array, "n_atom n_skip"], FactorSlopes]:
        """Return the features, and the derivatives of the products by their factors."""
        scalars = densities[0][0]
        if not self.plan:
            return scalars, []
        values, slopes = evaluate_all(self.plan, [pool])
        return jnp.concatenate([scalars, values], axis=-1), slopes

    def jacobian(
        self,
        edges: EdgeFunctions,
        slices: Sequence[slice],
        slopes: FactorSlopes,
        heard: tuple[Product, ...],
    ) -> Float[Array, "n_atom n_neighbour 3 n_skip_and_heard"]:
        """Return ∂(feature of atom i) / ∂(vector to its neighbour) [1/Å].

        `heard` are further products with factors among these columns; `slopes` hold theirs last.
        """
        scalars = _scalar_jacobian(edges, slices)
        plan = (*self.plan, *heard)
        if not plan:
            return scalars
        reads = pair_reads(self.layer, edges, slices, None)
        products = by_atom(lambda e, r, g: pair_jacobian(plan, g, e, r), edges, reads, slopes)
        return jnp.concatenate([scalars, products], axis=-1)

    def gradient(
        self,
        weights: Float[Array, "n_atom n_skip_and_heard"],
        edges: EdgeFunctions,
        slices: Sequence[slice],
        slopes: FactorSlopes,
        heard: tuple[Product, ...],
    ) -> Float[Array, "n_atom n_neighbour 3"]:
        """Return ∂(weights · features) / ∂(pair vector), features as in `jacobian`."""
        n_scalar, plan = self.widths[0], (*self.plan, *heard)
        scalars = _scalar_gradient(weights[:, :n_scalar], edges, slices)
        if not plan:
            return scalars
        pull = cotangents(plan, slopes, weights[:, n_scalar:], 0, self.layer.lmax)
        return scalars + pair_gradient(self.layer, edges, pull, slices, None)


def _scalar_jacobian(
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


def _scalar_gradient(
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
