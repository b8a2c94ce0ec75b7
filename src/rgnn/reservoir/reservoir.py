"""The frozen network: layers of mixed densities and the invariants made from them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.graph.batch import Graph
from rgnn.reservoir import products
from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.gradient import cotangents, pair_gradient
from rgnn.reservoir.jacobian import in_groups, pair_jacobian, pair_reads
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.products import Product

_GROUP = 8
"""Atoms whose derivatives are formed together, so that they stay in cache."""


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

    @property
    def noisy(self) -> bool:
        """Return whether two reads differ."""
        return self.layer.mixing[0].noisy

    def activate(self, graph: Graph, edges: EdgeFunctions, key: PRNGKeyArray | None) -> Activations:
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

    def features_and_jacobian(
        self, graph: Graph, *, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "n_atom n_feature"], Float[Array, "n_atom n_neighbour 3 n_feature"]]:
        """Return the invariants and their derivatives by the vectors to the neighbours [1/Å]."""
        edges = self.layer.edges(graph)
        activations = self.activate(graph, edges, key)
        reads = pair_reads(self.layer, edges, graph.slices, read_key(key, "jacobian"))
        by_atom = [[jnp.moveaxis(g, 1, 0) for g in gs] for gs in activations.slopes]

        def rows(edges, reads, slopes):
            by_m = [[jnp.moveaxis(g, 0, 1) for g in gs] for gs in slopes]
            return pair_jacobian(self.plan, by_m, edges, reads)

        n_atom = len(graph.species)
        group = _GROUP if n_atom % _GROUP == 0 else n_atom
        return activations.invariants, in_groups(rows, group, n_atom, edges, reads, by_atom)

    def energies_and_gradient(
        self,
        graph: Graph,
        weights: Float[Array, "n_species n_feature"],
        *,
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, " n_atom"], Float[Array, "n_atom n_neighbour 3"]]:
        """Return site energies w · φ_i and their derivatives by the vectors to the neighbours."""
        edges = self.layer.edges(graph)
        activations = self.activate(graph, edges, key)
        per_atom = weights[graph.species]
        energies = jnp.sum(activations.invariants * per_atom, axis=-1)
        cotangent = cotangents(self.plan, activations.slopes, per_atom, 0, self.layer.lmax)
        gradient = pair_gradient(
            self.layer, edges, cotangent, graph.slices, read_key(key, "gradient")
        )
        return energies, gradient

    def spread(
        self, graph: Graph, weights: Float[Array, "k n_species n_feature"]
    ) -> tuple[Float[Array, "k n_atom"], Float[Array, "k n_atom n_neighbour 3"]]:
        """Return energies and gradients for several readouts, noise-free, on one activation."""
        edges = self.layer.edges(graph)
        activations = self.activate(graph, edges, None)

        def one(readout: Array) -> tuple[Array, Array]:
            per_atom = readout[graph.species]
            cotangent = cotangents(self.plan, activations.slopes, per_atom, 0, self.layer.lmax)
            energies = jnp.sum(activations.invariants * per_atom, axis=-1)
            return energies, pair_gradient(self.layer, edges, cotangent, graph.slices, None)

        return jax.lax.map(one, weights)
