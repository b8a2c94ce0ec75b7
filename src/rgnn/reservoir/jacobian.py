"""Derivatives of all invariants by all pair vectors, read forward through the chip.

An invariant of atom i depends on the vectors to i's own neighbours only, so its derivatives are
a block per atom, [neighbour, xyz, feature]: the cost grows with atoms × neighbours. The gradient
of a pair's share of a density splits into what the chip mixes and what stays digital,

    ∇ (R_n Y_lm) = R_n′ Y_lm r̂ + R_n ∇Y_lm,

so every pair needs two further reads per degree, W R and W R′, whatever m and xyz.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.products import Product


class PairReads(NamedTuple):
    """Reads of the radial functions of every pair and of their slopes, for one degree."""

    value: Float[Array, "n_atom n_neighbour n_column"]
    slope: Float[Array, "n_atom n_neighbour n_column"]


def pair_reads(
    layer: DensityLayer, edges: EdgeFunctions, slices: Sequence[slice], key: PRNGKeyArray | None
) -> list[PairReads]:
    """Return W R and W R′ of every pair, by degree."""

    def read(degree: int, what: str, inputs: Array) -> Array:
        parts = [
            layer.of_element(degree, element).tangent(
                inputs[:, columns], key=read_key(key, what, degree, element)
            )
            for element, columns in enumerate(slices)
        ]
        return jnp.concatenate(parts, axis=1)

    return [
        PairReads(read(degree, "value", edges.radial), read(degree, "slope", edges.radial_slope))
        for degree in range(layer.lmax + 1)
    ]


def pair_jacobian(
    plan: Sequence[Product],
    slopes: Sequence[Sequence[Float[Array, "_m n_atom _width"]]],
    edges: EdgeFunctions,
    reads: Sequence[PairReads],
    layer: int = 0,
) -> Float[Array, "n_atom n_neighbour 3 n_feature"]:
    """Return ∂(invariant of atom i) / ∂(vector to its neighbour) [1/Å] by way of one layer."""
    rows = [
        _product_rows(product, g, edges, reads, layer)
        for product, g in zip(plan, slopes, strict=True)
    ]
    return jnp.concatenate(rows, axis=-1)


def _product_rows(
    product: Product,
    slopes: Sequence[Float[Array, "_m n_atom _width"]],
    edges: EdgeFunctions,
    reads: Sequence[PairReads],
    layer: int,
) -> Float[Array, "n_atom n_neighbour 3 width"]:
    radial = jnp.zeros((), edges.radial.dtype)
    tangential = [radial] * 3
    for factor, g in zip(product.factors, slopes, strict=True):
        if factor.layer != layer:
            continue
        columns = slice(factor.start, factor.start + product.width)
        read = reads[factor.degree]
        harmonics = range(factor.degree**2, (factor.degree + 1) ** 2)
        along = sum(edges.angular[..., lm, None] * g[m][:, None] for m, lm in enumerate(harmonics))
        radial = radial + along * read.slope[..., columns]
        if factor.degree == 0:
            continue
        for x in range(3):
            across = sum(
                edges.angular_gradient[..., x, lm, None] * g[m][:, None]
                for m, lm in enumerate(harmonics)
            )
            tangential[x] = tangential[x] + across * read.value[..., columns]
    rows = [t + radial * edges.unit[..., x, None] for x, t in enumerate(tangential)]
    shape = (*edges.unit.shape[:2], product.width)
    return jnp.stack([jnp.broadcast_to(r, shape) for r in rows], axis=2)


def in_groups(function, group: int, n_atom: int, *arguments):
    """Return `function` of per-atom arrays, `group` atoms at a time, so that it stays in cache."""
    n_group = n_atom // group

    def split(a: Array) -> Array:
        return a.reshape(n_group, group, *a.shape[1:])

    parts = jax.lax.map(lambda chunk: function(*chunk), jax.tree.map(split, arguments))
    return jax.tree.map(lambda a: a.reshape(n_atom, *a.shape[2:]), parts)
