"""The message step: neighbours tell what surrounds them.

Every atom reads a few scalars s off its own low-order invariants (one matrix, tanh digital) and
sends them along. The density of what arrives, Σ_j s_ijq R_n(r_ij) Y_lm(r_ij), is mixed like the
first and enters products as their last factor. Reach and body order grow; both matrices are frozen
and on the chip. What is trained beside it is another step: `reservoir.trained_message`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar.matvec import AbstractMatVec
from rgnn.graph.batch import Graph
from rgnn.graph.radial import RadialBasis, envelope
from rgnn.reservoir.density import EdgeFunctions, edge_functions
from rgnn.reservoir.gradient import Cotangents, gradient_through, value_through
from rgnn.reservoir.jacobian import PairReads, draw_reads
from rgnn.reservoir.layer import DensityLayer, Repeats, averaged_tangent, read_key
from rgnn.reservoir.products import Product, by_column, by_feature
from rgnn.reservoir.receive import Pulled, Receiver


class Sent(NamedTuple):
    """What neighbours within reach of a message sent, and what was made of it."""

    near: Graph
    edges: EdgeFunctions
    scalars: Float[Array, "n_atom n_read"]
    edge: Float[Array, "n_atom n_near n_edge"]
    """Reads of the radial functions of every pair that the receiver asks for."""
    fade: Float[Array, "n_atom n_near"]
    """Falls from 1 to 0 at the cutoff."""
    received: Float[Array, "n_atom n_near n_scalar"]


class ByReceived(NamedTuple):
    """Derivatives handed on from what is received to what it was made of."""

    own: Float[Array, "n_atom n_read n"]
    sent: Float[Array, "n_atom n_near n_read n"]
    distance: Float[Array, "n_atom n_near n"]


class MessageLayer(eqx.Module):
    """Scalars of every atom, and the density of the neighbours' scalars."""

    source: DensityLayer
    """What the source invariants are made of."""
    source_plan: tuple[Product, ...] = eqx.field(static=True)
    """Low-order products, on columns of their own, that the scalars are read from."""
    source_scale: Float[Array, " n_source"]
    """Digital scale of every source invariant before it enters the chip."""
    projection: AbstractMatVec
    centre: Float[Array, " n_read"]
    steepness: Float[Array, " n_read"]
    receiver: Receiver = eqx.field(static=True)
    edge: AbstractMatVec | None
    """Reads the radial functions of a pair for the receiver."""
    radial: RadialBasis
    decay: Float[Array, " n_radial"]
    mixing: tuple[AbstractMatVec, ...]
    repeats: Repeats = eqx.field(static=True, default=Repeats())

    @property
    def lmax(self) -> int:
        """Return the largest degree."""
        return len(self.mixing) - 1

    @property
    def n_scalar(self) -> int:
        """Return how many scalars arrive from a neighbour."""
        return self.receiver.n_value

    def scalars(
        self, invariants: Float[Array, "n_atom n_source"], key: PRNGKeyArray | None
    ) -> Float[Array, "n_atom n_read"]:
        """Return tanh of the centred and scaled read of the source invariants."""
        inputs = invariants * self.source_scale
        often, own_key = self.repeats.activation, read_key(key, "scalars")
        read = self.projection.repeated(inputs, often, key=own_key)
        return jnp.tanh((read - self.centre) * self.steepness)

    def scalar_jacobian(
        self,
        scalars: Float[Array, "n_atom n_read"],
        jacobian: Float[Array, "n_atom n_neighbour 3 n_source"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "n_atom n_neighbour 3 n_read"]:
        """Return ∂s_i / ∂(vector to a neighbour of i), read forward through the projection."""
        inputs, own_key = jacobian * self.source_scale, read_key(key, "scalar slopes")
        read = averaged_tangent(self.projection, inputs, self.repeats.derivative, own_key)
        return read * (self.steepness * (1 - scalars**2))[:, None, None]

    def edges(self, near: Graph) -> EdgeFunctions:
        """Return the edge functions of the pairs within reach of a message."""
        vector = jnp.asarray(near.vector, self.decay.dtype)
        centre = jnp.broadcast_to(near.species[:, None], near.neighbour.shape)
        neighbour = jnp.asarray(near.species)[near.neighbour]
        return edge_functions(vector, centre, neighbour, self.radial, self.lmax, self.decay)

    def receive(
        self, near: Graph, scalars: Float[Array, "n_atom n_read"], key: PRNGKeyArray | None
    ) -> Sent:
        """Return what arrives from the neighbours within reach."""
        edges = self.edges(near)
        fade, _ = self._fade(near)
        read = jnp.zeros((*fade.shape, 0), fade.dtype)
        if self.edge is not None:
            often, own_key = self.repeats.activation, read_key(key, "edge")
            read = self.edge.repeated(self.edge_inputs(edges.radial), often, key=own_key)
        received = jax.vmap(self.receiver)(scalars, scalars[near.neighbour], read, fade)
        return Sent(near, edges, scalars, read, fade, received)

    def by_received(
        self,
        sent: Sent,
        derivative: Float[Array, "n_atom n_near n_scalar n"],
        key: PRNGKeyArray | None,
    ) -> ByReceived:
        """Return derivatives by scalars and distances, from those by what is received."""
        given = sent.scalars, sent.scalars[sent.near.neighbour], sent.edge, sent.fade
        pulled: Pulled = jax.vmap(self.receiver.pull)(*given, derivative)
        _, falling = self._fade(sent.near)
        along = pulled.fade * falling[..., None]
        if self.edge is not None:
            inputs = self.edge_inputs(sent.edges.radial_slope)
            often, own_key = self.repeats.derivative, read_key(key, "edge slopes")
            slopes = averaged_tangent(self.edge, inputs, often, own_key)
            along = along + jnp.einsum("ije,ijen->ijn", slopes, pulled.edge)
        return ByReceived(pulled.own, pulled.sent, along)

    def edge_inputs(
        self, radial: Float[Array, "n_atom n_near n_radial"]
    ) -> Float[Array, "n_atom n_near n_radial"]:
        """Return what the edge matrix reads: radial functions weighted as for one scalar."""
        return radial * jnp.sqrt(float(self.n_scalar)).astype(radial.dtype)

    def _fade(self, near: Graph) -> tuple[Float[Array, "n_atom n_near"], Array]:
        """Return the envelope of every pair and its slope [1/Å]."""
        vector = jnp.asarray(near.vector, self.decay.dtype)
        distance = jnp.sqrt(jnp.square(vector).sum(-1))
        return jax.jvp(
            lambda d: envelope(d / self.radial.cutoff), (distance,), (jnp.ones_like(distance),)
        )

    def densities(
        self, edges: EdgeFunctions, sent: Float[Array, "n_atom n_neighbour n_scalar"]
    ) -> list[Float[Array, "_m n_atom _in"]]:
        """Return Σ_j s_jq R_n Y_lm of every degree, inputs (q, n)."""
        result = []
        for degree in range(self.lmax + 1):
            y = edges.angular[..., degree**2 : (degree + 1) ** 2]
            rho = jnp.einsum("ijm,ijq,ijn->miqn", y, sent, edges.radial)
            result.append(rho.reshape(*rho.shape[:2], -1))
        return result

    def mix(
        self, densities: Sequence[Array], key: PRNGKeyArray | None
    ) -> list[Float[Array, "_m n_atom _column"]]:
        """Return the reads of all message densities."""
        return [
            mv.repeated(rho, self.repeats.activation, key=read_key(key, "message", degree))
            for degree, (mv, rho) in enumerate(zip(self.mixing, densities, strict=True))
        ]

    def weighted(
        self, edges: EdgeFunctions, sent: Float[Array, "n_atom n_neighbour n_scalar"]
    ) -> EdgeFunctions:
        """Return edge functions whose radial part is s_j ⊗ R: what the arrays read of a pair."""

        def outer(radial: Array) -> Array:
            size = (
                sent.shape[-1] * radial.shape[-1]
            )  # an isolated atom has no pairs to infer it from
            return (sent[..., :, None] * radial[..., None, :]).reshape(*radial.shape[:2], size)

        return edges._replace(radial=outer(edges.radial), radial_slope=outer(edges.radial_slope))

    def pair_reads(
        self,
        edges: EdgeFunctions,
        sent: Float[Array, "n_atom n_neighbour n_scalar"],
        key: PRNGKeyArray | None,
    ) -> list[PairReads]:
        """Return the reads of s_j ⊗ R and s_j ⊗ R′ of every pair, by degree."""
        inputs = self.weighted(edges, sent)
        arrays, whole = [[mv] for mv in self.mixing], [slice(None)]
        often, name = self.repeats.derivative, "message "
        values = draw_reads(arrays, inputs.radial, whole, often, read_key(key, name + "value"))
        slopes = draw_reads(
            arrays, inputs.radial_slope, whole, often, read_key(key, name + "slope")
        )
        return [PairReads(*pair) for pair in zip(values, slopes, strict=True)]

    def scalar_reads(
        self, edges: EdgeFunctions, key: PRNGKeyArray | None
    ) -> list[Float[Array, "n_atom n_neighbour _scalar _column"]]:
        """Return the reads of R alone in the place of every scalar: how a column follows s_jq."""
        by_scalar = [
            draw_reads(
                [[mv] for mv in self.of_scalar(q)],
                edges.radial,
                [slice(None)],
                self.repeats.derivative,
                read_key(key, "message by scalar", q),
            )
            for q in range(self.n_scalar)
        ]
        return [jnp.stack(reads, axis=-2) for reads in zip(*by_scalar, strict=True)]

    def of_scalar(self, q: int) -> list[AbstractMatVec]:
        """Return the parts of the arrays that one scalar's inputs drive."""
        count = self.radial.count
        return [mv.driven(q * count, (q + 1) * count) for mv in self.mixing]

    def gradient(
        self,
        edges: EdgeFunctions,
        sent: Float[Array, "n_atom n_neighbour n_scalar"],
        cotangent: Cotangents,
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, "n_atom n_neighbour 3"], Float[Array, "n_atom n_neighbour n_scalar"]]:
        """Return ∂E_i by the near pair vectors and by the scalars the neighbours send."""
        often, pairs = self.repeats.derivative, self.weighted(edges, sent)
        by_vector = gradient_through(
            self.mixing, pairs, cotangent, often, read_key(key, "message gradient")
        )
        by_scalar = [
            value_through(self.of_scalar(q), edges, cotangent, often, read_key(key, "by scalar", q))
            for q in range(self.n_scalar)
        ]
        return by_vector, jnp.stack(by_scalar, axis=-1)


def scalar_derivatives(
    plan: Sequence[Product],
    slopes: Sequence[Sequence[Float[Array, "_m n_atom _width"]]],
    edges: EdgeFunctions,
    reads: Sequence[Float[Array, "n_atom n_neighbour _scalar _column"]],
    layer: int,
) -> Float[Array, "n_atom n_neighbour n_scalar n_feature"]:
    """Return ∂(invariant of atom i) / ∂(scalar of its neighbour j)."""
    coefficients = by_column(plan, slopes, layer, len(reads) - 1)
    columns = []
    for degree, (own, read) in enumerate(zip(coefficients, reads, strict=True)):
        y = edges.angular[..., degree**2 : (degree + 1) ** 2]
        columns.append(jnp.einsum("ijm,mic->ijc", y, own)[:, :, None] * read)
    return by_feature(plan, columns, layer)
