"""Random tensor products: invariants of one to three mixed neighbour densities.

A mixed density is A_lm,c = Σ_r W_l[c, r] ρ_lm,r: the read of channel column c of the degree-l
matrix. A product takes a run of `width` columns per factor and couples them to a scalar, column
by column; every factor of every product has columns of its own, so that all mixing is random and
none is shared (body order = number of factors + 1, counting the centre).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.graph import harmonics

Pool = Sequence[Float[Array, "_m n_atom _column"]]
"""Mixed densities of one layer: entry l holds A_lm,c with m first."""


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
    widths: tuple[int, int, int], lmax: int, coupled: int, last_layer: int, columns: ColumnCounter
) -> list[Product]:
    """Return the products of one to three factors with `widths` columns per path.

    Three factors run over all true scalars (a, b) → c with c ≤ `coupled`, a ≤ b. The last factor
    comes from layer `last_layer`, the others from layer 0.
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
        for degrees, width in paths
        if width
    ]


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
    """Return the invariants and, for every factor, their derivatives by its columns."""
    values = [_columns(pools, factor, product.width) for factor in product.factors]
    terms = _terms(product.degrees)
    total = jnp.zeros_like(values[0][0])
    gradients = [[jnp.zeros_like(total)] * len(v) for v in values]
    for index, coefficient in terms:
        picked = [v[m] for v, m in zip(values, index, strict=True)]
        for f, m in enumerate(index):
            rest = [p for other, p in enumerate(picked) if other != f]
            gradients[f][m] = gradients[f][m] + _multiply(rest, coefficient, total)
        total = total + _multiply(picked, coefficient, total)
    return total, [jnp.stack(g) for g in gradients]


def _columns(pools: Sequence[Pool], factor: Factor, width: int) -> Float[Array, "m n_atom width"]:
    return pools[factor.layer][factor.degree][..., factor.start : factor.start + width]


def _multiply(factors: Sequence[Array], coefficient: float, like: Array) -> Array:
    result = jnp.full_like(like, coefficient)
    for factor in factors:
        result = result * factor
    return result


def _terms(degrees: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    """Return the non-zero entries of the coupling tensor of `degrees`."""
    padded = (*degrees, 0, 0)[:3]
    tensor = harmonics.coupling(*padded)
    return [
        (tuple(int(i) for i in index[: len(degrees)]), float(tensor[tuple(index)]))
        for index in np.argwhere(tensor)
    ]
