"""One frozen layer: densities of the neighbours, mixed channel by channel on the chip."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.crossbar import gaussian
from rgnn.crossbar.matvec import AbstractMatVec, needed
from rgnn.graph.batch import Graph
from rgnn.graph.radial import RadialBasis
from rgnn.reservoir.density import EdgeFunctions, edge_functions


class Repeats(NamedTuple):
    """How many reads of a noisy array are averaged."""

    activation: int = 1
    """Read once an atom: repeating them takes most of the noise out of what everything is built
    on, at little cost."""
    derivative: int = 1
    """Read for every pair."""


class DensityLayer(eqx.Module):
    """Neighbour densities by element, ρ_lm,(s n) = Σ_{j of element s} R_n Y_lm, and their mixing.

    `decay` weighs radial function n before it enters the chip: smooth functions first is the
    prior that makes random mixing work, so inputs are whitened for noisy chips only.
    """

    radial: RadialBasis
    decay: Float[Array, " n_radial"]
    mixing: tuple[AbstractMatVec, ...]
    repeats: Repeats = eqx.field(static=True, default=Repeats())

    @property
    def lmax(self) -> int:
        """Return the largest degree."""
        return len(self.mixing) - 1

    def edges(self, graph: Graph) -> EdgeFunctions:
        """Return the edge functions of every pair of `graph`."""
        vector = jnp.asarray(graph.vector, self.decay.dtype)
        centre = jnp.broadcast_to(graph.species[:, None], graph.neighbour.shape)
        neighbour = jnp.asarray(graph.species)[graph.neighbour]
        return edge_functions(vector, centre, neighbour, self.radial, self.lmax, self.decay)

    def densities(
        self, edges: EdgeFunctions, slices: Sequence[slice]
    ) -> list[Float[Array, "_m n_atom _in"]]:
        """Return the densities of every degree, elements side by side."""
        result = []
        for degree in range(self.lmax + 1):
            block = slice(degree**2, (degree + 1) ** 2)
            parts = [
                jnp.einsum("ijm,ijn->min", edges.angular[:, s, block], edges.radial[:, s])
                for s in slices
            ]
            result.append(jnp.concatenate(parts, axis=-1))
        return result

    def line_inputs(
        self, densities: Sequence[Float[Array, "_m n_atom _in"]]
    ) -> list[Float[Array, "_m n_atom _line"]]:
        """Return what drives the lines of the arrays, by degree."""
        return [mv.line_inputs(rho) for mv, rho in zip(self.mixing, densities, strict=True)]

    def mix(
        self, densities: Sequence[Array], key: PRNGKeyArray | None
    ) -> list[Float[Array, "_m n_atom _column"]]:
        """Return the reads of all densities."""
        return [
            mv.repeated(rho, self.repeats.activation, key=read_key(key, degree))
            for degree, (mv, rho) in enumerate(zip(self.mixing, densities, strict=True))
        ]

    def of_element(self, degree: int, element: int) -> AbstractMatVec:
        """Return the part of the degree's array that neighbours of one element drive."""
        count = self.radial.count
        return self.mixing[degree].driven(element * count, (element + 1) * count)


def averaged_tangent(
    mv: AbstractMatVec, dx: Float[Array, "*batch n_in"], repeats: int, key: PRNGKeyArray | None
) -> Float[Array, "*batch n_out"]:
    """Return the mean of `repeats` tangent reads, drawn by its law."""
    law = mv.tangent_law(dx, repeats)
    mean = law.drive @ mv.weight.T
    if not mv.noisy:
        return mean
    root = jnp.sqrt(jnp.maximum(law.power @ mv.read_variance.T, 0))
    return mean + root * gaussian.normal(needed(key), mean.shape, mean.dtype)


def read_key(key: PRNGKeyArray | None, *names: str | int) -> PRNGKeyArray | None:
    """Return the child key of one read; noise-free rungs need none."""
    return None if key is None else keys.child(key, *names)
