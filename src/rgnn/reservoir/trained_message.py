"""Trained messages: what atoms say beside the chip, and what their neighbours make of it.

Every atom says a few scalars, tanh of combinations of its own low-order invariants, and a few
vectors, combinations of its densities of degree one. These values v_jq – scalars and components of
vectors alike – make densities around the neighbours, Σ_j v_jq R_n(r_ij) Y_lm(r_ij). Those of
components of vectors are coupled to the degrees l − 1 and l + 1, so that they turn with the
structure. Channels combine all that has one degree and are the last factors of products.

Everything is digital, without read noise, and learnt; elements say things of their own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rgnn.graph import harmonics
from rgnn.graph.batch import Graph
from rgnn.graph.radial import RadialBasis
from rgnn.reservoir.density import EdgeFunctions, edge_functions
from rgnn.reservoir.gradient import Cotangents
from rgnn.reservoir.products import FactorSlopes, Product, by_column, by_feature

Species = Int[Array | np.ndarray, " n_atom"]


class Heard(NamedTuple):
    """What atoms said, and what of it every atom heard."""

    near: Graph
    edges: EdgeFunctions
    said: Float[Array, "n_atom n_value"]
    values: Float[Array, "n_atom n_near n_value"]
    """What the neighbours within reach said."""


class Telling(eqx.Module):
    """How an atom makes scalars of its invariants: s = tanh(a (W φ − c))."""

    weight: Float[Array, "n_species n_scalar n_source"]
    scale: Float[Array, " n_source"]
    """Scale of every source invariant."""
    centre: Float[Array, " n_scalar"]
    steepness: Float[Array, " n_scalar"]

    def __call__(
        self, invariants: Float[Array, "n_atom n_source"], species: Species
    ) -> Float[Array, "n_atom n_scalar"]:
        """Return the scalars of every atom."""
        read = jnp.einsum("iqs,is->iq", self.weight[species], invariants * self.scale)
        return jnp.tanh((read - self.centre) * self.steepness)

    def slopes(
        self, scalars: Float[Array, "n_atom n_scalar"], species: Species
    ) -> Float[Array, "n_atom n_scalar n_source"]:
        """Return the derivatives of the scalars by the source invariants."""
        bent = self.steepness * (1 - scalars**2)
        return bent[:, :, None] * self.weight[species] * self.scale


class TrainedMessage(eqx.Module):
    """The message step beside the chip."""

    telling: Telling
    vectors: Float[Array, "n_species n_vector n_in"]
    """What an atom says as vectors: combinations of its densities of degree one."""
    vector_scale: Float[Array, ""]
    """Brings these densities to the size of scalars."""
    radial: RadialBasis
    decay: Float[Array, " n_radial"]
    scalar_channels: Float[Array, "n_degree n_channel n_scalar_in"]
    """Combinations of the densities of scalars."""
    vector_channels: Float[Array, "n_path n_channel n_vector_in"]
    """The same for those of vectors, path by path in the order of `paths`."""
    wiring: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """The channel of every column, by degree."""

    @property
    def lmax(self) -> int:
        """Return the largest degree."""
        return len(self.wiring) - 1

    @property
    def n_source(self) -> int:
        """Return how many invariants the scalars are made of."""
        return len(self.telling.scale)

    @property
    def n_scalar(self) -> int:
        """Return how many scalars an atom says."""
        return self.telling.weight.shape[1]

    @property
    def n_vector(self) -> int:
        """Return how many vectors an atom says."""
        return self.vectors.shape[1]

    def say(
        self,
        invariants: Float[Array, "n_atom n_source"],
        densities: Sequence[Float[Array, "_m n_atom n_in"]],
        species: Species,
    ) -> Float[Array, "n_atom n_value"]:
        """Return what every atom says: scalars, then the components of vector after vector."""
        scalars = self.telling(invariants, species)
        if not self.n_vector:
            return scalars
        own = jnp.einsum("ipn,min->ipm", self.vectors[species], densities[1]) * self.vector_scale
        return jnp.concatenate([scalars, own.reshape(len(own), -1)], axis=-1)

    def said_jacobian(
        self,
        said: Float[Array, "n_atom n_value"],
        told: Float[Array, "n_atom n_neighbour 3 n_source"],
        edges: EdgeFunctions,
        slices: Sequence[slice],
        species: Species,
    ) -> Float[Array, "n_atom n_neighbour 3 n_value"]:
        """Return ∂(what i says) / ∂(vector to a neighbour of i) [1/Å].

        `told` are the derivatives of the source invariants, `edges` those of the densities, of
        neighbours sorted by element into `slices`.
        """
        slopes = self.telling.slopes(said[:, : self.n_scalar], species)
        scalars = jnp.einsum("iqs,ijxs->ijxq", slopes, told)
        if not self.n_vector:
            return scalars
        rows, parts = edges.gradient(1), []
        weights = jnp.split(self.vectors[species], len(slices), axis=-1)
        for weight, columns in zip(weights, slices, strict=True):
            parts.append(jnp.einsum("ipn,mijxn->ijxpm", weight, rows[:, :, columns]))
        own = jnp.concatenate(parts, axis=1) * self.vector_scale
        return jnp.concatenate([scalars, own.reshape(*own.shape[:3], -1)], axis=-1)

    def said_pull(
        self,
        by_said: Float[Array, "n_atom n_value"],
        said: Float[Array, "n_atom n_value"],
        species: Species,
    ) -> tuple[Float[Array, "n_atom n_source"], Float[Array, "3 n_atom n_in"] | None]:
        """Return derivatives by the source invariants and by the densities of degree one, from
        those by what is said; None where no vectors are."""
        n_scalar = self.n_scalar
        slopes = self.telling.slopes(said[:, :n_scalar], species)
        told = jnp.einsum("iq,iqs->is", by_said[:, :n_scalar], slopes)
        if not self.n_vector:
            return told, None
        own = by_said[:, n_scalar:].reshape(len(by_said), self.n_vector, 3)
        return told, jnp.einsum("ipm,ipn->min", own, self.vectors[species]) * self.vector_scale

    def hear(self, near: Graph, said: Float[Array, "n_atom n_value"]) -> Heard:
        """Return what every atom hears of the neighbours within reach."""
        vector = jnp.asarray(near.vector, self.decay.dtype)
        centre = jnp.broadcast_to(near.species[:, None], near.neighbour.shape)
        neighbour = jnp.asarray(near.species)[near.neighbour]
        edges = edge_functions(vector, centre, neighbour, self.radial, self.lmax, self.decay)
        return Heard(near, edges, said, said[near.neighbour])

    def pool(self, heard: Heard) -> list[Float[Array, "_m n_atom _column"]]:
        """Return the columns that products are made of."""
        functions = _by_value(heard.edges)
        densities = jnp.einsum("ijmn,ijq->mnqi", functions, heard.values)
        columns = []
        for degree in range(self.lmax + 1):
            parts = []
            for link in self._links(degree):
                block = slice(link.low**2, (link.low + 1) ** 2)
                own = densities[block, :, link.values]
                own = own.reshape(*own.shape[:2], -1, link.tensor.shape[1], own.shape[-1])
                mixed = jnp.einsum("mnpui,cpn->muic", own, link.weight)
                parts.append(jnp.einsum("muM,muic->Mic", link.tensor, mixed))
            columns.append(sum(parts[1:], parts[0]))
        return columns

    def rows(
        self,
        plan: Sequence[Product],
        slopes: FactorSlopes,
        edges: EdgeFunctions,
        values: Float[Array, "n_atom n_near n_value"],
    ) -> tuple[
        Float[Array, "n_atom n_near 3 n_feature"], Float[Array, "n_atom n_near n_value n_feature"]
    ]:
        """Return ∂(invariant of atom i) by the vectors to near neighbours, with what they say held
        fixed, and by what they say."""
        near, by_value = [], []
        for degree, own in enumerate(by_column(plan, slopes, 1, self.lmax)):
            moved, parts = [], {}
            for link in self._links(degree):
                turned = jnp.einsum("muM,Mic->imuc", link.tensor, own)
                inward = jnp.einsum("imuc,cpn->imnpuc", turned, link.weight)
                inward = inward.reshape(*inward.shape[:3], -1, inward.shape[-1])
                along, further = _follow(edges, link.low, inward, values[..., link.values])
                moved.append(along)
                parts.setdefault(link.values.start, []).append(further)
            near.append(sum(moved[1:], moved[0]))
            groups = [sum(own[1:], own[0]) for own in parts.values()]
            by_value.append(jnp.concatenate(groups, axis=2))
        return by_feature(plan, near, 1), by_feature(plan, by_value, 1)

    def gradient(
        self, heard: Heard, cotangent: Cotangents
    ) -> tuple[Float[Array, "n_atom n_near 3"], Float[Array, "n_atom n_near n_value"]]:
        """Return ∂E_i by the vectors to near neighbours and by what they say, from those by the
        columns."""
        by_density: list[dict[int, Array]] = [{} for _ in range(self.lmax + 1)]
        for degree, own in enumerate(cotangent):
            for link in self._links(degree):
                turned = jnp.einsum("muM,Mic->miuc", link.tensor, own)
                back = jnp.einsum("miuc,cpn->mipun", turned, link.weight)
                back = back.reshape(*back.shape[:2], -1, back.shape[-1])
                found = by_density[link.low]
                found[link.values.start] = found.get(link.values.start, 0) + back
        blocks = [jnp.concatenate([own[q] for q in sorted(own)], axis=2) for own in by_density]
        inputs, edges = jnp.concatenate(blocks), heard.edges
        by_value = jnp.einsum("ijmn,miqn->ijq", _by_value(edges), inputs)
        read = jnp.einsum("miqn,ijq->ijmn", inputs, heard.values)
        along = jnp.einsum("ijmn,ijm,ijn->ij", read, edges.angular, edges.radial_slope)
        across = jnp.einsum("ijmn,ijn->ijm", read, edges.radial)
        by_vector = jnp.einsum("ijm,ijxm->ijx", across, edges.angular_gradient)
        return by_vector + along[..., None] * edges.unit, by_value

    def _links(self, degree: int) -> list["_Link"]:
        """Return how densities of what is heard enter the columns of one degree."""
        dtype, wiring = self.decay.dtype, jnp.asarray(self.wiring[degree], int)
        count, n_scalar = self.radial.count, self.n_scalar
        weight = self.scalar_channels[degree][wiring].reshape(len(wiring), n_scalar, count)
        as_it_is = jnp.eye(2 * degree + 1, dtype=dtype)[:, None]
        found = [_Link(degree, slice(0, n_scalar), as_it_is, weight)]
        if not self.n_vector:
            return found
        for number, (low, high) in enumerate(paths(self.lmax)):
            if high == degree:
                tensor = harmonics.coupling(low, 1, high) * np.sqrt(2 * high + 1)
                weight = self.vector_channels[number][wiring]
                weight = weight.reshape(len(wiring), self.n_vector, count)
                components = slice(n_scalar, n_scalar + 3 * self.n_vector)
                found.append(_Link(low, components, jnp.asarray(tensor, dtype), weight))
        return found


class _Link(NamedTuple):
    """How the density of some values of one degree enters columns of another."""

    low: int
    values: slice
    tensor: Float[Array, "m component M"]
    weight: Float[Array, "n_column n_group n_radial"]
    """Groups are single scalars, or the components of one vector."""


def paths(lmax: int) -> list[tuple[int, int]]:
    """Return the degrees of densities of components of vectors, and of what they couple to."""
    found = [(low, high) for high in range(lmax + 1) for low in (high - 1, high + 1)]
    return [(low, high) for low, high in found if 0 <= low <= lmax]


def _by_value(edges: EdgeFunctions) -> Float[Array, "n_atom n_near lm n_radial"]:
    """Return R_n Y_lm of every pair: what a unit of a value that is said adds to the densities."""
    return edges.angular[..., :, None] * edges.radial[..., None, :]


def _follow(
    edges: EdgeFunctions,
    degree: int,
    inward: Float[Array, "n_atom m n_radial n_value n_column"],
    values: Float[Array, "n_atom n_near n_value"],
) -> tuple[
    Float[Array, "n_atom n_near 3 n_column"], Float[Array, "n_atom n_near n_value n_column"]
]:
    """Return the derivatives of columns by pair vectors and by values, from those by the densities
    of one degree."""
    n_atom, m, n, q, c = inward.shape
    value = jnp.moveaxis(edges.value(degree), 0, 2).reshape(*values.shape[:2], m * n)
    by_value = value @ inward.reshape(n_atom, m * n, q * c)
    moved = jnp.moveaxis(edges.gradient(degree), 0, 3).reshape(*values.shape[:2], 3, m * n)
    weighed = moved[..., None] * values[:, :, None, None, :]
    weighed = weighed.reshape(n_atom, -1, m * n * q)
    by_vector = weighed @ inward.reshape(n_atom, m * n * q, c)
    return by_vector.reshape(*values.shape[:2], 3, c), by_value.reshape(*values.shape, c)
