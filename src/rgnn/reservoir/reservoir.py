"""The frozen network: layers of mixed densities and the invariants made from them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.graph.batch import Graph
from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.gradient import cotangents, pair_gradient
from rgnn.reservoir.jacobian import by_atom, pair_jacobian, pair_reads
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.message import MessageLayer, Sent, scalar_derivatives
from rgnn.reservoir.products import FactorSlopes, Product, evaluate_all
from rgnn.reservoir.skip import Skip


class Surroundings(NamedTuple):
    """Neighbours within the reach of densities, and those within the reach of messages."""

    full: Graph
    near: Graph | None


class Slopes(NamedTuple):
    """Derivatives of all invariants by the columns of their factors."""

    own: FactorSlopes
    message: FactorSlopes
    source: FactorSlopes
    skip: FactorSlopes


class Activation(NamedTuple):
    """One pass through the network: invariants, their slopes, and what neighbours sent."""

    invariants: Float[Array, "n_atom n_feature"]
    slopes: Slopes
    edges: EdgeFunctions
    sent: Sent | None


class MessageDesign(NamedTuple):
    """How message features, the last ones, move with what the neighbours are and send."""

    near: Float[Array, "n_atom n_near 3 n_message"]
    """By the vectors to the near neighbours, all scalars held fixed."""
    by_scalar: Float[Array, "n_atom n_near n_read n_message"]
    """By the scalars of the near neighbours."""
    scalar_slopes: Float[Array, "n_atom n_neighbour 3 n_read"]
    """An atom's scalars by the vectors to its neighbours."""


class Design(NamedTuple):
    """Invariants and everything their derivatives by atomic positions are made of."""

    invariants: Float[Array, "n_atom n_feature"]
    full: Float[Array, "n_atom n_neighbour 3 n_feature"]
    """By the vectors to the neighbours, the neighbours' scalars held fixed."""
    message: MessageDesign | None


class Inputs(NamedTuple):
    """What enters every group of matrices."""

    densities: list[Float[Array, "_ n_atom _"]]
    source: Float[Array, "n_atom n_source"] | None
    edge: Float[Array, "n_atom n_near _"] | None
    messages: list[Float[Array, "_ n_atom _"]]


class PairGradient(NamedTuple):
    """Derivatives of the total energy by the vectors to neighbours and to near neighbours."""

    full: Float[Array, "n_atom n_neighbour 3"]
    near: Float[Array, "n_atom n_near 3"] | None


class Reservoir(eqx.Module):
    """Frozen random features of atomic surroundings. Nothing in here is trained."""

    layer: DensityLayer
    skip: Skip
    plan: tuple[Product, ...] = eqx.field(static=True)
    message: MessageLayer | None = None
    message_plan: tuple[Product, ...] = eqx.field(static=True, default=())

    @property
    def n_feature(self) -> int:
        """Return how many invariants an atom has."""
        return self.n_skip + sum(p.width for p in (*self.plan, *self.message_plan))

    @property
    def n_skip(self) -> int:
        """Return how many of them, the first ones, go around the chip."""
        return sum(self.skip.widths)

    @property
    def widths(self) -> list[int]:
        """Return the lengths of the runs of features of one kind, in order."""
        return [*self.skip.widths, *(p.width for p in (*self.plan, *self.message_plan))]

    @property
    def n_message_feature(self) -> int:
        """Return how many of them, the last ones, hold messages."""
        return sum(p.width for p in self.message_plan)

    @property
    def noisy(self) -> bool:
        """Return whether two reads differ."""
        sent = self.message is not None and self.message.projection.noisy
        return sent or self.layer.mixing[0].noisy

    def activate(self, around: Surroundings, key: PRNGKeyArray | None) -> Activation:
        """Return one pass through the network."""
        edges = self.layer.edges(around.full)
        densities = self.layer.densities(edges, around.full.slices)
        pool = self.layer.mix(densities, read_key(key, "activation"))
        skipped, skip = self.skip.evaluate(densities)
        values, own = evaluate_all(self.plan, [pool])
        if self.message is None or around.near is None:
            values = jnp.concatenate([skipped, values], axis=-1)
            return Activation(values, Slopes(own, [], [], skip), edges, None)
        source_pool = self.message.source.mix(densities, read_key(key, "source"))
        source_values, source = evaluate_all(self.message.source_plan, [source_pool])
        scalars = self.message.scalars(source_values, key)
        sent = self.message.receive(around.near, scalars, key)
        message_pool = self.message.mix(self.message.densities(sent.edges, sent.received), key)
        message_values, message = evaluate_all(self.message_plan, [pool, message_pool])
        return Activation(
            jnp.concatenate([skipped, values, message_values], axis=-1),
            Slopes(own, message, source, skip),
            edges,
            sent,
        )

    def inputs(self, around: Surroundings) -> Inputs:
        """Return what enters the matrices on noise-free reads, for calibration."""
        edges = self.layer.edges(around.full)
        densities = self.layer.densities(edges, around.full.slices)
        lines = self.layer.line_inputs(densities)
        if self.message is None or around.near is None:
            return Inputs(lines, None, None, [])
        source_pool = self.message.source.mix(densities, None)
        source, _ = evaluate_all(self.message.source_plan, [source_pool])
        sent = self.message.receive(around.near, self.message.scalars(source, None), None)
        messages = self.message.densities(sent.edges, sent.received)
        return Inputs(lines, source, self.message.edge_inputs(sent.edges.radial), messages)

    def features(
        self, around: Surroundings, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n_atom n_feature"]:
        """Return the invariants of every atom."""
        return self.activate(around, key).invariants

    def design(self, around: Surroundings, *, key: PRNGKeyArray | None = None) -> Design:
        """Return the invariants and the parts of their derivatives [1/Å]."""
        a = self.activate(around, key)
        reads = pair_reads(self.layer, a.edges, around.full.slices, read_key(key, "jacobian"))
        plan = (*self.plan, *self.message_plan)
        slopes = a.slopes.own + a.slopes.message
        mixed = by_atom(lambda e, r, g: pair_jacobian(plan, g, e, r), a.edges, reads, slopes)
        skipped = self.skip.jacobian(a.edges, around.full.slices, a.slopes.skip)
        full = jnp.concatenate([skipped, mixed], axis=-1)
        if self.message is None or a.sent is None:
            return Design(a.invariants, full, None)
        near = by_atom(
            lambda e, r, g: pair_jacobian(self.message_plan, g, e, r, layer=1),
            a.sent.edges,
            self.message.pair_reads(a.sent.edges, a.sent.received, key),
            a.slopes.message,
        )
        by_received = by_atom(
            lambda e, r, g: scalar_derivatives(self.message_plan, g, e, r, layer=1),
            a.sent.edges,
            self.message.scalar_reads(a.sent.edges, key),
            a.slopes.message,
        )
        slopes = self._scalar_slopes(self.message, a, a.sent, around, key)
        if self.message.receiver.kind == "plain":
            return Design(a.invariants, full, MessageDesign(near, by_received, slopes))
        made = self.message.by_received(a.sent, by_received, key)
        near = near + a.sent.edges.unit[..., None] * made.distance[:, :, None]
        own = jnp.einsum("ijxr,irn->ijxn", slopes, made.own)
        full = full.at[..., -self.n_message_feature :].add(own)
        return Design(a.invariants, full, MessageDesign(near, made.sent, slopes))

    def energies_and_gradient(
        self,
        around: Surroundings,
        weights: Float[Array, "n_species n_feature"],
        *,
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, " n_atom"], PairGradient]:
        """Return site energies w · φ_i and the derivatives of their sum by all pair vectors."""
        a, per_atom = self.activate(around, key), weights[around.full.species]
        energies = jnp.sum(a.invariants * per_atom, axis=-1)
        return energies, self.pull(a, around, per_atom, key)

    def spread(
        self, around: Surroundings, weights: Float[Array, "k n_species n_feature"]
    ) -> tuple[Float[Array, "k n_atom"], PairGradient]:
        """Return energies and gradients of several readouts on one noise-free activation."""
        a = self.activate(around, None)
        moves = self._moves(a, around, None)

        def read(own: Array) -> tuple[Array, PairGradient]:
            per_atom = own[around.full.species]
            energies = jnp.sum(a.invariants * per_atom, axis=-1)
            return energies, self._pull(a, around, per_atom, moves, None)

        return jax.lax.map(read, weights)

    def pull(
        self,
        a: Activation,
        around: Surroundings,
        slope: Float[Array, "n_atom n_feature"],
        key: PRNGKeyArray | None,
    ) -> PairGradient:
        """Return the derivatives of an energy by all pair vectors, from those by the features."""
        return self._pull(a, around, slope, self._moves(a, around, key), key)

    def _moves(
        self, a: Activation, around: Surroundings, key: PRNGKeyArray | None
    ) -> Float[Array, "n_atom n_neighbour 3 n_scalar"] | None:
        """Return how the scalars of every atom move; None without messages."""
        if self.message is None or a.sent is None:
            return None
        return self._scalar_slopes(self.message, a, a.sent, around, key)

    def _scalar_slopes(
        self,
        message: MessageLayer,
        a: Activation,
        sent: Sent,
        around: Surroundings,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "n_atom n_neighbour 3 n_scalar"]:
        read = read_key(key, "source slopes")
        jacobian = by_atom(
            lambda e, r, g: pair_jacobian(message.source_plan, g, e, r),
            a.edges,
            pair_reads(message.source, a.edges, around.full.slices, read),
            a.slopes.source,
        )
        return message.scalar_jacobian(sent.scalars, jacobian, key)

    def _pull(
        self,
        a: Activation,
        around: Surroundings,
        slope: Float[Array, "n_atom n_feature"],
        moves: Float[Array, "n_atom n_neighbour 3 n_scalar"] | None,
        key: PRNGKeyArray | None,
    ) -> PairGradient:
        plan, slopes = (*self.plan, *self.message_plan), a.slopes.own + a.slopes.message
        slices = around.full.slices
        skip, mixed = slope[:, : self.n_skip], slope[:, self.n_skip :]
        by_density = cotangents(plan, slopes, mixed, 0, self.layer.lmax)
        full = self.skip.gradient(skip, a.edges, slices, a.slopes.skip) + pair_gradient(
            self.layer, a.edges, by_density, slices, read_key(key, "gradient")
        )
        if self.message is None or a.sent is None or moves is None:
            return PairGradient(full, None)
        own = slope[:, -self.n_message_feature :]
        by_message = cotangents(self.message_plan, a.slopes.message, own, 1, self.message.lmax)
        near, by_received = self.message.gradient(a.sent.edges, a.sent.received, by_message, key)
        made = self.message.by_received(a.sent, by_received[..., None], key)
        near = near + a.sent.edges.unit * made.distance
        pull = made.own[..., 0].at[a.sent.near.neighbour].add(made.sent[..., 0])
        return PairGradient(full + jnp.einsum("iq,ijxq->ijx", pull, moves), near)
