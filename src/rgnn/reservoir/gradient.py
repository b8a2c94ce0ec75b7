"""Energies and their gradients, read forward through the chip.

With a linear readout E_i = w · φ_i the gradient by a pair vector is a linear combination of the
tangent reads of that pair. The digital side forms it read by read; here its law is known – a
Gaussian whose mean and 3 × 3 covariance follow from the law of a read – and it is drawn at once.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar import gaussian
from rgnn.crossbar.matvec import AbstractMatVec, needed
from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.products import Product, by_column

Cotangents = Sequence[Float[Array, "_m n_atom _column"]]
"""∂E_i / ∂(column of every density), by degree."""


def cotangents(
    plan: Sequence[Product],
    slopes: Sequence[Sequence[Float[Array, "_m n_atom _width"]]],
    weights: Float[Array, "n_atom n_feature"],
    layer: int,
    lmax: int,
) -> Cotangents:
    """Return ∂(w · φ_i)/∂A for the columns of one layer, in the order they were handed out."""
    ends = np.cumsum([product.width for product in plan])[:-1]
    weighed = [
        [slope * w for slope in own]
        for own, w in zip(slopes, jnp.split(weights, ends, axis=-1), strict=True)
    ]
    return by_column(plan, weighed, layer, lmax)


def pair_gradient(
    layer: DensityLayer,
    edges: EdgeFunctions,
    cotangent: Cotangents,
    slices: Sequence[slice],
    key: PRNGKeyArray | None,
) -> Float[Array, "n_atom n_neighbour 3"]:
    """Return ∂E_i / ∂(vector to a neighbour) [eV/Å] by way of the neighbour densities."""
    parts, often = [], layer.repeats.derivative
    for element, columns in enumerate(slices):
        own = jax.tree.map(lambda a, c=columns: a[:, c], edges)
        arrays = [layer.of_element(degree, element) for degree in range(layer.lmax + 1)]
        parts.append(gradient_through(arrays, own, cotangent, often, read_key(key, element)))
    return jnp.concatenate(parts, axis=1)


def density_gradient(
    by_density: Float[Array, "m n_atom n_in"],
    degree: int,
    edges: EdgeFunctions,
    slices: Sequence[slice],
) -> Float[Array, "n_atom n_neighbour 3"]:
    """Return ∂E_i / ∂(vector to a neighbour) [eV/Å] from ∂E_i by the densities of one degree."""
    parts = []
    for own, columns in zip(jnp.split(by_density, len(slices), axis=-1), slices, strict=True):
        part = jax.tree.map(lambda a, c=columns: a[:, c], edges)
        parts.append(_of_degree(degree, own, part, part.radial_slope, part.radial))
    return jnp.concatenate(parts, axis=1)


def gradient_through(
    arrays: Sequence[AbstractMatVec],
    edges: EdgeFunctions,
    cotangent: Cotangents,
    repeats: int,
    key: PRNGKeyArray | None,
) -> Float[Array, "n_atom n_pair 3"]:
    """Return ∂E_i / ∂(pair vector) where `arrays` read the radial functions of `edges`, each
    `repeats` times."""
    mean = _mean(edges, arrays, cotangent, repeats)
    if not arrays[0].noisy:
        return mean
    noise = gaussian.normal(needed(key), mean.shape, mean.dtype)
    root = _cholesky(_covariance(edges, arrays, cotangent, repeats))
    return mean + jnp.einsum("ijxy,ijy->ijx", root, noise)


def value_through(
    arrays: Sequence[AbstractMatVec],
    edges: EdgeFunctions,
    cotangent: Cotangents,
    repeats: int,
    key: PRNGKeyArray | None,
) -> Float[Array, "n_atom n_pair"]:
    """Return Σ_lm Σ_c ∂E_i/∂A_lm,c Y_lm (W R)_c: what a pair adds to E_i per unit of a scalar."""
    mean, variance = jnp.zeros((), edges.radial.dtype), jnp.zeros((), edges.radial.dtype)
    for degree, (mv, c) in enumerate(zip(arrays, cotangent, strict=True)):
        y = edges.angular[..., degree**2 : (degree + 1) ** 2]
        law = mv.tangent_law(edges.radial, repeats)
        inputs = jnp.einsum("mic,cr->mir", c, mv.weight)
        mean = mean + jnp.einsum("mir,ijr,ijm->ij", inputs, law.drive, y)
        if mv.noisy:
            spread = jnp.einsum("mic,nic,cp->imnp", c, c, mv.read_variance)
            variance = variance + jnp.einsum("imnp,ijp,ijm,ijn->ij", spread, law.power, y, y)
    if not arrays[0].noisy:
        return mean
    root = jnp.sqrt(jnp.maximum(variance, 0))
    return mean + root * gaussian.normal(needed(key), mean.shape, mean.dtype)


def _mean(
    edges: EdgeFunctions, arrays: Sequence[AbstractMatVec], cotangent: Cotangents, repeats: int
) -> Float[Array, "n_atom n_pair 3"]:
    total = jnp.zeros_like(edges.unit)
    for degree, (mv, c) in enumerate(zip(arrays, cotangent, strict=True)):
        inputs = jnp.einsum("mic,cr->mir", c, mv.weight)
        slope = mv.tangent_law(edges.radial_slope, repeats).drive
        value = mv.tangent_law(edges.radial, repeats).drive
        total = total + _of_degree(degree, inputs, edges, slope, value)
    return total


def _of_degree(
    degree: int,
    inputs: Float[Array, "m n_atom n_in"],
    edges: EdgeFunctions,
    slope: Float[Array, "n_atom n_pair n_in"],
    value: Float[Array, "n_atom n_pair n_in"],
) -> Float[Array, "n_atom n_pair 3"]:
    """Return ∂E_i / ∂(pair vector) from ∂E_i by the densities of a degree, without their gradients
    ever in memory; `slope` and `value` are what is read of R′ and R."""
    block = slice(degree**2, (degree + 1) ** 2)
    along = jnp.einsum("mir,ijr,ijm->ij", inputs, slope, edges.angular[..., block])
    if not degree:
        return along[..., None] * edges.unit
    across = jnp.einsum("mir,ijr->ijm", inputs, value)
    turned = jnp.einsum("ijm,ijxm->ijx", across, edges.angular_gradient[..., block])
    return along[..., None] * edges.unit + turned


def _covariance(
    edges: EdgeFunctions, arrays: Sequence[AbstractMatVec], cotangent: Cotangents, repeats: int
) -> Float[Array, "n_atom n_pair 3 3"]:
    """Return Σ_c Var(read of c) · (its coefficient)(its coefficient)ᵀ, for both kinds of read."""
    total = jnp.zeros((*edges.unit.shape, 3), edges.unit.dtype)
    for degree, (mv, c) in enumerate(zip(arrays, cotangent, strict=True)):
        block = slice(degree**2, (degree + 1) ** 2)
        y, dy = edges.angular[..., block], edges.angular_gradient[..., block]
        spread = jnp.einsum("mic,nic,cp->imnp", c, c, mv.read_variance)
        slope = mv.tangent_law(edges.radial_slope, repeats).power
        along = jnp.einsum("imnp,ijp,ijm,ijn->ij", spread, slope, y, y)
        total = total + along[..., None, None] * edges.unit[..., :, None] * edges.unit[..., None, :]
        if degree:
            value = mv.tangent_law(edges.radial, repeats).power
            total = total + jnp.einsum("imnp,ijp,ijxm,ijyn->ijxy", spread, value, dy, dy)
    return total


def _cholesky(matrix: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 3 3"]:
    """Return L with L Lᵀ = matrix for positive semi-definite 3 × 3 matrices, zeros included."""

    def root(x: Array) -> Array:
        return jnp.sqrt(jnp.maximum(x, 0))

    def ratio(a: Array, b: Array) -> Array:
        return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)

    a = root(matrix[..., 0, 0])
    b, d = ratio(matrix[..., 1, 0], a), ratio(matrix[..., 2, 0], a)
    c = root(matrix[..., 1, 1] - b**2)
    e = ratio(matrix[..., 2, 1] - b * d, c)
    f = root(matrix[..., 2, 2] - d**2 - e**2)
    zero = jnp.zeros_like(a)
    rows = [(a, zero, zero), (b, c, zero), (d, e, f)]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
