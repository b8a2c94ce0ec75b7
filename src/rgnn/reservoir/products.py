"""Random tensor products: invariants of one to three mixed neighbour densities.

A mixed density is A_lm,c = Σ_r W_l[c, r] ρ_lm,r: the read of channel column c of the degree-l
matrix. A product takes a run of `width` columns per factor and couples them to a scalar, column
by column; every factor of every product has columns of its own, so that all mixing is random and
none is shared (body order = number of factors + 1, counting the centre).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.graph import harmonics

Pool = Sequence[Float[Array, "_m n_atom _column"]]
"""Mixed densities of one layer: entry l holds A_lm,c with m first."""

FactorSlopes = list[list[Float[Array, "_m n_atom _width"]]]
"""Derivatives of invariants by the columns of every factor, product by product."""


@dataclass(frozen=True)
class Factor:
    """Columns `start … start + width` of degree `degree` in layer `layer`."""

    layer: int
    degree: int
    start: int


@dataclass(frozen=True)
class Product:
    """`width` invariants, each the coupling of one column of every factor."""

    factors: tuple[Factor, ...]
    width: int

    @property
    def degrees(self) -> tuple[int, ...]:
        """Return the degrees of the factors."""
        return tuple(f.degree for f in self.factors)

    @property
    def body_order(self) -> int:
        """Return the body order: factors and the centre."""
        return len(self.factors) + 1


class ColumnCounter:
    """Hands out columns of every (layer, degree) matrix, one run after the other."""

    def __init__(self) -> None:
        self.used: dict[tuple[int, int], int] = {}

    def take(self, layer: int, degree: int, width: int) -> Factor:
        """Return a factor on the next `width` unused columns."""
        start = self.used.get((layer, degree), 0)
        self.used[layer, degree] = start + width
        return Factor(layer, degree, start)


def plan(
    widths: tuple[int, int, int],
    lmax: int,
    coupled: int,
    last_layer: int,
    columns: ColumnCounter,
    tilt: float = 0.0,
) -> list[Product]:
    """Return the products of one to three factors with `widths` columns per path.

    Three factors run over all true scalars (a, b) → c with c ≤ `coupled`, a ≤ b. The last factor
    comes from layer `last_layer`, the others from layer 0. With `tilt` the widths of a number of
    factors are the mean over its paths: path (a, b, …) has a share of 1 + tilt (a + b + …).
    """
    paths = [((0,), widths[0])]
    paths += [((degree, degree), widths[1]) for degree in range(lmax + 1)]
    paths += [
        ((a, b, c), widths[2])
        for c in range(min(coupled, lmax) + 1)
        for a in range(lmax + 1)
        for b in range(a, lmax + 1)
        if (a + b + c) % 2 == 0 and b - a <= c <= a + b
    ]
    return [
        Product(_factors(degrees, width, last_layer, columns), width)
        for degrees, width in _tilted(paths, tilt)
        if width
    ]


def _tilted(
    paths: Sequence[tuple[tuple[int, ...], int]], tilt: float
) -> list[tuple[tuple[int, ...], int]]:
    """Return the paths with widths that grow with their degrees and keep their mean."""
    share = [1 + tilt * sum(degrees) for degrees, _ in paths]
    result = []
    for (degrees, width), own in zip(paths, share, strict=True):
        alike = [s for (d, _), s in zip(paths, share, strict=True) if len(d) == len(degrees)]
        result.append((degrees, round(width * own * len(alike) / sum(alike))))
    return result


def _factors(
    degrees: tuple[int, ...], width: int, last_layer: int, columns: ColumnCounter
) -> tuple[Factor, ...]:
    layers = [0] * (len(degrees) - 1) + [last_layer]
    return tuple(
        columns.take(layer, degree, width) for layer, degree in zip(layers, degrees, strict=True)
    )


def evaluate(
    product: Product, pools: Sequence[Pool]
) -> tuple[Float[Array, "n_atom width"], list[Float[Array, "_m n_atom width"]]]:
    """Return the invariants and, for every factor, their derivatives by its columns.

    The derivative by one factor is the coupling tensor on the outer product of the others.
    """
    factors = [_columns(pools, factor, product.width) for factor in product.factors]
    gradients = [[jnp.zeros_like(factors[0][0])] * len(factor) for factor in factors]
    for index, coefficient in _terms(product.degrees):
        picked = [factor[m] for factor, m in zip(factors, index, strict=True)]
        for own, m in enumerate(index):
            others = [p for other, p in enumerate(picked) if other != own]
            gradients[own][m] = gradients[own][m] + coefficient * math.prod(others)
    stacked = [jnp.stack(g) for g in gradients]
    return jnp.sum(factors[0] * stacked[0], axis=0), stacked


def evaluate_all(
    plan: Sequence[Product], pools: Sequence[Pool]
) -> tuple[Float[Array, "n_atom n_feature"], FactorSlopes]:
    """Return the invariants of all products side by side, and their slopes."""
    results = [evaluate(product, pools) for product in plan]
    return jnp.concatenate([value for value, _ in results], axis=-1), [g for _, g in results]


def _columns(pools: Sequence[Pool], factor: Factor, width: int) -> Float[Array, "m n_atom width"]:
    return pools[factor.layer][factor.degree][..., factor.start : factor.start + width]


def _terms(degrees: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    """Return the non-zero entries of the coupling tensor of `degrees`."""
    padded = (*degrees, 0, 0)[:3]
    tensor = harmonics.coupling(*padded)
    return [
        (tuple(int(i) for i in index[: len(degrees)]), float(tensor[tuple(index)]))
        for index in np.argwhere(tensor)
    ]


def by_column(
    plan: Sequence[Product],
    parts: Sequence[Sequence[Float[Array, "_m n_atom _width"]]],
    layer: int,
    lmax: int,
) -> list[Float[Array, "_m n_atom _column"]]:
    """Return arrays given by product and factor side by side in the order of a layer's columns."""
    runs: list[list[tuple[int, Array]]] = [[] for _ in range(lmax + 1)]
    for product, own in zip(plan, parts, strict=True):
        for factor, part in zip(product.factors, own, strict=True):
            if factor.layer == layer:
                runs[factor.degree].append((factor.start, part))
    n_atom, dtype = parts[0][0].shape[1], parts[0][0].dtype
    return [
        jnp.concatenate([part for _, part in sorted(own, key=lambda run: run[0])], axis=-1)
        if own
        else jnp.zeros((2 * degree + 1, n_atom, 0), dtype)
        for degree, own in enumerate(runs)
    ]


def by_feature(
    plan: Sequence[Product], columns: Sequence[Float[Array, "*batch _column"]], layer: int
) -> Float[Array, "*batch n_feature"]:
    """Return, for every invariant, the sum of what its factors' columns in `layer` hold."""
    results = []
    for product in plan:
        total = jnp.zeros((*columns[0].shape[:-1], product.width), columns[0].dtype)
        for factor in product.factors:
            if factor.layer == layer:
                run = slice(factor.start, factor.start + product.width)
                total = total + columns[factor.degree][..., run]
        results.append(total)
    return jnp.concatenate(results, axis=-1)
