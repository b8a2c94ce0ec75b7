"""The frozen network: layers of mixed densities and the invariants made from them."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar.matvec import tangent_dot
from rgnn.graph.batch import Graph
from rgnn.reservoir import products
from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.products import Product


class Activations(eqx.Module):
    """Invariants of every atom and their derivatives by the columns of every factor."""

    invariants: Float[Array, "n_atom n_feature"]
    slopes: list[list[Float[Array, "m n_atom width"]]]


class Reservoir(eqx.Module):
    """Frozen random features of atomic surroundings. Nothing in here is trained."""

    layer: DensityLayer
    plan: tuple[Product, ...] = eqx.field(static=True)

    @property
    def n_feature(self) -> int:
        """Return how many invariants an atom has."""
        return sum(p.width for p in self.plan)

    def activate(
        self, graph: Graph, edges: EdgeFunctions, key: PRNGKeyArray | None
    ) -> Activations:
        """Return invariants and slopes for every atom of `graph`."""
        densities = self.layer.densities(edges, graph.slices)
        pool = self.layer.mix(densities, read_key(key, "activation"))
        results = [products.evaluate(p, [pool]) for p in self.plan]
        return Activations(
            jnp.concatenate([value for value, _ in results], axis=-1),
            [slopes for _, slopes in results],
        )

    def features(
        self, graph: Graph, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n_atom n_feature"]:
        """Return the invariants of every atom."""
        return self.activate(graph, self.layer.edges(graph), key).invariants
