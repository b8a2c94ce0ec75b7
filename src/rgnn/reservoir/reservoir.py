"""The frozen network: layers of mixed densities and the invariants made from them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rgnn.graph.batch import Graph
from rgnn.reservoir.density import EdgeFunctions
from rgnn.reservoir.gradient import cotangents, density_gradient, pair_gradient
from rgnn.reservoir.jacobian import by_atom, pair_jacobian, pair_reads
from rgnn.reservoir.layer import DensityLayer, read_key
from rgnn.reservoir.message import MessageLayer, Sent, scalar_derivatives
from rgnn.reservoir.products import FactorSlopes, Product, evaluate_all
from rgnn.reservoir.skip import Skip
from rgnn.reservoir.trained_message import Heard, TrainedMessage


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
    sent: Sent | Heard | None


class MessageDesign(NamedTuple):
    """How message features move with what the neighbours are and send."""

    first: int | Int[np.ndarray, ""]
    """Where among the features they begin."""

    near: Float[Array, "n_atom n_near 3 n_message"]
    """By the vectors to the near neighbours, all scalars held fixed."""
    by_scalar: Float[Array, "n_atom n_near n_read n_message"]
    """By the scalars of the near neighbours, or whatever else they say."""
    scalar_slopes: Float[Array, "n_atom n_neighbour 3 n_read"]
    """What an atom says by the vectors to its neighbours."""


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
    first_degree: Float[Array, "3 n_atom n_in"] | None = None
    """Densities that vectors of trained messages are made of."""


class PairGradient(NamedTuple):
    """Derivatives of the total energy by the vectors to neighbours and to near neighbours."""

    full: Float[Array, "n_atom n_neighbour 3"]
    near: Float[Array, "n_atom n_near 3"] | None


class Reservoir(eqx.Module):
    """Features of atomic surroundings: random frozen ones read off the chip, after those that go
    around it."""

    layer: DensityLayer
    skip: Skip
    plan: tuple[Product, ...] = eqx.field(static=True)
    message: MessageLayer | TrainedMessage | None = None
    message_plan: tuple[Product, ...] = eqx.field(static=True, default=())

    @property
    def heard(self) -> tuple[Product, ...]:
        """Return the products with a density of messages that go around the chip."""
        return self.message_plan if isinstance(self.message, TrainedMessage) else ()

    @property
    def chip_plan(self) -> tuple[Product, ...]:
        """Return the products read off the chip, those with a density of messages last."""
        return self.plan if self.heard else (*self.plan, *self.message_plan)

    @property
    def n_feature(self) -> int:
        """Return how many invariants an atom has."""
        return sum(self.widths)

    @property
    def n_skip(self) -> int:
        """Return how many of them, the first ones, go around the chip."""
        return sum(self.skip_widths)

    @property
    def skip_widths(self) -> list[int]:
        """Return the lengths of the runs of these by kind, in order."""
        return [*self.skip.widths, *(p.width for p in self.heard)]

    @property
    def widths(self) -> list[int]:
        """Return the lengths of the runs of features of one kind, in order."""
        return [*self.skip_widths, *(p.width for p in self.chip_plan)]

    @property
    def message_features(self) -> slice:
        """Return which of them hold messages."""
        count = sum(p.width for p in self.message_plan)
        end = self.n_skip if self.heard else self.n_feature
        return slice(end - count, end)

    @property
    def noisy(self) -> bool:
        """Return whether two reads differ."""
        sent = isinstance(self.message, MessageLayer) and self.message.projection.noisy
        return sent or self.layer.mixing[0].noisy

    def activate(self, around: Surroundings, key: PRNGKeyArray | None) -> Activation:
        """Return one pass through the network."""
        edges = self.layer.edges(around.full)
        densities = self.layer.densities(edges, around.full.slices)
        pool = self.layer.mix(densities, read_key(key, "activation"))
        beside = self.skip.pool(densities)
        skipped, skip = self.skip.evaluate(densities, beside)
        values, own = evaluate_all(self.plan, [pool])
        if self.message is None or around.near is None:
            values = jnp.concatenate([skipped, values], axis=-1)
            return Activation(values, Slopes(own, [], [], skip), edges, None)
        if isinstance(self.message, TrainedMessage):
            told, species = skipped[:, : self.message.n_source], around.full.species
            sent = self.message.hear(around.near, self.message.say(told, densities, species))
            columns = [beside, self.message.pool(sent)]
            heard, message = evaluate_all(self.message_plan, columns)
            values = jnp.concatenate([skipped, heard, values], axis=-1)
            return Activation(values, Slopes(own, message, [], skip), edges, sent)
        emitted = self.message.source.mix(densities, read_key(key, "source"))
        told, source = evaluate_all(self.message.source_plan, [emitted])
        sent = self.message.receive(around.near, self.message.scalars(told, key), key)
        message_pool = self.message.mix(self.message.densities(sent.edges, sent.received), key)
        heard, message = evaluate_all(self.message_plan, [pool, message_pool])
        slopes = Slopes(own, message, source, skip)
        return Activation(jnp.concatenate([skipped, values, heard], axis=-1), slopes, edges, sent)

    def inputs(self, around: Surroundings) -> Inputs:
        """Return what enters the matrices on noise-free reads, for calibration."""
        edges = self.layer.edges(around.full)
        densities = self.layer.densities(edges, around.full.slices)
        lines = self.layer.line_inputs(densities)
        if self.message is None or around.near is None:
            return Inputs(lines, None, None, [])
        if isinstance(self.message, TrainedMessage):
            skipped, _ = self.skip.evaluate(densities, self.skip.pool(densities))
            one = densities[1] if self.message.n_vector else None
            return Inputs(lines, skipped[:, : self.message.n_source], None, [], one)
        emitted = self.message.source.mix(densities, None)
        source, _ = evaluate_all(self.message.source_plan, [emitted])
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
        a, slices = self.activate(around, key), around.full.slices
        reads = pair_reads(self.layer, a.edges, slices, read_key(key, "jacobian"))
        plan, beside = self.chip_plan, a.slopes.skip + (a.slopes.message if self.heard else [])
        slopes = a.slopes.own + ([] if self.heard else a.slopes.message)
        mixed = by_atom(lambda e, r, g: pair_jacobian(plan, g, e, r), a.edges, reads, slopes)
        skipped = self.skip.jacobian(a.edges, slices, beside, self.heard)
        full = jnp.concatenate([skipped, mixed], axis=-1)
        return self._listening(Design(a.invariants, full, None), a, around, key)

    def _listening(
        self, found: Design, a: Activation, around: Surroundings, key: PRNGKeyArray | None
    ) -> Design:
        """Return the design with how message features move."""
        own, message, sent = self.message_features, self.message, a.sent
        if isinstance(message, TrainedMessage) and isinstance(sent, Heard):
            near, by_said = by_atom(
                lambda e, v, g: message.rows(self.message_plan, g, e, v),
                sent.edges,
                sent.values,
                a.slopes.message,
            )
            told, species = found.full[..., : message.n_source], around.full.species
            moves = message.said_jacobian(sent.said, told, a.edges, around.full.slices, species)
            return found._replace(message=MessageDesign(own.start, near, by_said, moves))
        if not (isinstance(message, MessageLayer) and isinstance(sent, Sent)):
            return found
        near = by_atom(
            lambda e, r, g: pair_jacobian(self.message_plan, g, e, r, layer=1),
            sent.edges,
            message.pair_reads(sent.edges, sent.received, key),
            a.slopes.message,
        )
        by_received = by_atom(
            lambda e, r, g: scalar_derivatives(self.message_plan, g, e, r, layer=1),
            sent.edges,
            message.scalar_reads(sent.edges, key),
            a.slopes.message,
        )
        moves = self._scalar_slopes(message, a, sent, around, key)
        if message.receiver.kind == "plain":
            return found._replace(message=MessageDesign(own.start, near, by_received, moves))
        made = message.by_received(sent, by_received, key)
        near = near + sent.edges.unit[..., None] * made.distance[:, :, None]
        full = found.full.at[..., own].add(jnp.einsum("ijxr,irn->ijxn", moves, made.own))
        return Design(a.invariants, full, MessageDesign(own.start, near, made.sent, moves))

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
        """Return how the scalars of every atom move; None where none are read off the chip."""
        if not (isinstance(self.message, MessageLayer) and isinstance(a.sent, Sent)):
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
        slices, skip, mixed = around.full.slices, slope[:, : self.n_skip], slope[:, self.n_skip :]
        near, said, message, sent = None, 0.0, self.message, a.sent
        own = slope[:, self.message_features]
        if isinstance(message, TrainedMessage) and isinstance(sent, Heard):
            near, told, said = self._trained_pull(message, a, sent, around, own)
            skip = skip.at[:, : message.n_source].add(told)
        elif isinstance(message, MessageLayer) and isinstance(sent, Sent):
            near, by_scalar = self._message_pull(message, a, sent, own, key)
            said = jnp.einsum("iq,ijxq->ijx", by_scalar, moves)
        beside = a.slopes.skip + (a.slopes.message if self.heard else [])
        slopes = a.slopes.own + ([] if self.heard else a.slopes.message)
        by_density = cotangents(self.chip_plan, slopes, mixed, 0, self.layer.lmax)
        full = self.skip.gradient(skip, a.edges, slices, beside, self.heard) + pair_gradient(
            self.layer, a.edges, by_density, slices, read_key(key, "gradient")
        )
        return PairGradient(full + said, near)

    def _trained_pull(
        self,
        message: TrainedMessage,
        a: Activation,
        sent: Heard,
        around: Surroundings,
        slope: Float[Array, "n_atom n_message"],
    ) -> tuple[
        Float[Array, "n_atom n_near 3"],
        Float[Array, "n_atom n_source"],
        Float[Array, "n_atom n_neighbour 3"] | float,
    ]:
        """Return the derivatives by the vectors to near neighbours, by the invariants that scalars
        are made of, and, by way of the vectors that are said, by those to neighbours."""
        by_column = cotangents(self.message_plan, a.slopes.message, slope, 1, message.lmax)
        near, by_values = message.gradient(sent, by_column)
        by_said = jnp.zeros_like(sent.said).at[sent.near.neighbour].add(by_values)
        told, by_density = message.said_pull(by_said, sent.said, around.full.species)
        if by_density is None:
            return near, told, 0.0
        return near, told, density_gradient(by_density, 1, a.edges, around.full.slices)

    def _message_pull(
        self,
        message: MessageLayer,
        a: Activation,
        sent: Sent,
        slope: Float[Array, "n_atom n_message"],
        key: PRNGKeyArray | None,
    ) -> tuple[Float[Array, "n_atom n_near 3"], Float[Array, "n_atom n_read"]]:
        """Return the derivatives by the vectors to near neighbours, and by every atom's scalars."""
        by_message = cotangents(self.message_plan, a.slopes.message, slope, 1, message.lmax)
        near, by_received = message.gradient(sent.edges, sent.received, by_message, key)
        made = message.by_received(sent, by_received[..., None], key)
        near = near + sent.edges.unit * made.distance
        return near, made.own[..., 0].at[sent.near.neighbour].add(made.sent[..., 0])
