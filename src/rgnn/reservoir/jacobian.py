"""Derivatives of all invariants by all pair vectors, read forward through the chip.

An invariant of atom i depends on the vectors to i's own neighbours only, so its derivatives are
a block per atom, [neighbour, xyz, feature]: the cost grows with atoms × neighbours. The gradient
of a pair's share of a density splits into what the chip mixes and what stays digital,

    ∇ (R_n Y_lm) = R_n′ Y_lm r̂ + R_n ∇Y_lm,

so every pair needs two further reads per degree, W R and W R′, whatever m and xyz.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar import gaussian
from rgnn.crossbar.matvec import AbstractMatVec, needed
from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.products import FactorSlopes, Product, by_column, by_feature

_GROUP = 8
"""Atoms whose derivatives are formed together, so that they stay in cache."""


class PairReads(NamedTuple):
    """Reads of the radial functions of every pair and of their slopes, for one degree."""

    value: Float[Array, "n_atom n_neighbour n_column"]
    slope: Float[Array, "n_atom n_neighbour n_column"]


def pair_reads(
    layer: DensityLayer, edges: EdgeFunctions, slices: Sequence[slice], key: PRNGKeyArray | None
) -> list[PairReads]:
    """Return W R and W R′ of every pair, by degree."""
    often = layer.repeats.derivative
    arrays = [
        [layer.of_element(degree, element) for element in range(len(slices))]
        for degree in range(layer.lmax + 1)
    ]
    return [
        PairReads(*pair)
        for pair in zip(
            draw_reads(arrays, edges.radial, slices, often, read_key(key, "value")),
            draw_reads(arrays, edges.radial_slope, slices, often, read_key(key, "slope")),
            strict=True,
        )
    ]


def draw_reads(
    arrays: Sequence[Sequence[AbstractMatVec]],
    inputs: Float[Array, "n_atom n_neighbour n_in"],
    slices: Sequence[slice],
    repeats: int,
    key: PRNGKeyArray | None,
) -> list[Float[Array, "n_atom n_neighbour _"]]:
    """Return the means of `repeats` tangent reads of `inputs`, by degree; pairs in slice s drive
    array s.

    All reads are drawn together, by their law: that compiles far faster than read by read.
    """
    laws = [
        [
            (mv, mv.tangent_law(inputs[:, columns], repeats))
            for mv, columns in zip(own, slices, strict=True)
        ]
        for own in arrays
    ]
    means = [jnp.concatenate([law.drive @ mv.weight.T for mv, law in own], axis=1) for own in laws]
    if not arrays[0][0].noisy:
        return means
    variances = [
        jnp.concatenate([law.power @ mv.read_variance.T for mv, law in own], axis=1) for own in laws
    ]
    mean, variance = jnp.concatenate(means, axis=-1), jnp.concatenate(variances, axis=-1)
    noise = gaussian.normal(needed(key), mean.shape, mean.dtype)
    ends = np.cumsum([m.shape[-1] for m in means])[:-1]
    return jnp.split(mean + jnp.sqrt(jnp.maximum(variance, 0)) * noise, ends, axis=-1)


def pair_jacobian(
    plan: Sequence[Product],
    slopes: Sequence[Sequence[Float[Array, "_m n_atom _width"]]],
    edges: EdgeFunctions,
    reads: Sequence[PairReads],
    layer: int = 0,
) -> Float[Array, "n_atom n_neighbour 3 n_feature"]:
    """Return ∂(invariant of atom i) / ∂(vector to its neighbour) [1/Å] by way of one layer."""
    coefficients = by_column(plan, slopes, layer, len(reads) - 1)
    columns = []
    for degree, (own, read) in enumerate(zip(coefficients, reads, strict=True)):
        block = slice(degree**2, (degree + 1) ** 2)
        along = _contract(edges.angular[..., block], own) * read.slope
        rows = along[:, :, None] * edges.unit[..., None]
        if degree:
            across = _contract(edges.angular_gradient[..., block], own[:, :, None])
            rows = rows + across * read.value[:, :, None]
        columns.append(rows)
    return by_feature(plan, columns, layer)


def _contract(
    angular: Float[Array, "n_atom n_neighbour *xyz m"], own: Float[Array, "m n_atom *one column"]
) -> Float[Array, "n_atom n_neighbour *xyz column"]:
    """Return Σ_m angular_m own_m; written out, as fused loops beat a product with so few terms."""
    terms = [angular[..., m, None] * own[m][:, None] for m in range(len(own))]
    return sum(terms[1:], terms[0])


def by_atom(
    function: Callable[[EdgeFunctions, Any, FactorSlopes], Any],
    edges: EdgeFunctions,
    reads: Any,
    slopes: FactorSlopes,
) -> Any:
    """Return the array or arrays `function(edges, reads, slopes)`, a few atoms at a time."""
    n_atom = edges.unit.shape[0]

    def chunk(edges: EdgeFunctions, reads: Any, own: list[list[Array]]) -> Any:
        return function(edges, reads, [[jnp.moveaxis(g, 0, 1) for g in gs] for gs in own])

    group = _GROUP if n_atom % _GROUP == 0 else n_atom
    atom_first = [[jnp.moveaxis(g, 1, 0) for g in gs] for gs in slopes]
    return _in_groups(chunk, group, n_atom, edges, reads, atom_first)


def _in_groups(function: Callable[..., Any], group: int, n_atom: int, *arguments: Any) -> Any:
    """Return `function` of per-atom arrays, `group` atoms at a time, so that it stays in cache."""
    n_group = n_atom // group

    def split(a: Array) -> Array:
        return a.reshape(n_group, group, *a.shape[1:])

    parts = jax.lax.map(lambda chunk: function(*chunk), jax.tree.map(split, arguments))
    return jax.tree.map(lambda a: a.reshape(n_atom, *a.shape[2:]), parts)
