"""What an atom makes of what its neighbours send.

`plain`      takes their scalars as they come.
`attention`  weighs them: a_ij = f_ij e^(q_i·k_j + b_ij) / (1 + Σ_k f_ik e^(q_i·k_k + b_ik)), where
             queries, keys and values are random reads of an atom's own invariants, the bias b_ij a
             random read of the radial functions of the pair. The cutoff f takes a neighbour out of
             sums smoothly, so that energies have continuous forces; the 1 lets an atom attend to
             none.
`gated`      the scalar layer of the original network: σ(g_i + g_j + g_ij) tanh(v_i + v_j + v_ij),
             parts of one random matrix on (h_i, h_j, e_ij), read separately because they add up.

Everything linear is read off the chip; what is here is digital and the same on every rung.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Kind = Literal["plain", "attention", "gated"]

_KEY = 4
"""Numbers in a key and in a query."""

_SHARE = 4
"""Scalars that share one head of attention."""


class Pulled(NamedTuple):
    """Derivatives of quantities, one per entry of the last axis, by what a receiver was given."""

    own: Float[Array, "n_read n"]
    sent: Float[Array, "n_near n_read n"]
    edge: Float[Array, "n_near n_edge n"]
    fade: Float[Array, "n_near n"]


@dataclass(frozen=True)
class Receiver:
    """How `n_value` scalars are received by one atom from all its neighbours."""

    kind: Kind
    n_value: int

    @property
    def heads(self) -> int:
        """Return how many heads attention has."""
        return -(-self.n_value // _SHARE)

    @property
    def n_read(self) -> int:
        """Return how many scalars an atom reads of itself, to send and to receive with."""
        extra = {"plain": 0, "attention": 2 * _KEY * self.heads, "gated": 3 * self.n_value}
        return self.n_value + extra[self.kind]

    @property
    def n_edge(self) -> int:
        """Return how many numbers are read of the radial functions of every pair."""
        return {"plain": 0, "attention": self.heads, "gated": 2 * self.n_value}[self.kind]

    def __call__(
        self,
        own: Float[Array, " n_read"],
        sent: Float[Array, "n_near n_read"],
        edge: Float[Array, "n_near n_edge"],
        fade: Float[Array, " n_near"],
    ) -> Float[Array, "n_near n_value"]:
        """Return what arrives from every neighbour; `fade` falls to 0 at the cutoff."""
        n = self.n_value
        if self.kind == "plain":
            return sent
        if self.kind == "gated":
            gate = own[:n] + sent[:, 2 * n : 3 * n] + edge[:, :n]
            value = own[n : 2 * n] + sent[:, 3 * n :] + edge[:, n:]
            return jax.nn.sigmoid(gate) * jnp.tanh(value)
        keys, query = sent[:, n : n + _KEY * self.heads], own[n + _KEY * self.heads :]
        match = jnp.sum((keys * query).reshape(-1, self.heads, _KEY), axis=-1)
        weight = fade[:, None] * jnp.exp(match + edge)
        attention = weight / (1 + weight.sum(axis=0))
        return sent[:, :n] * jnp.repeat(attention, _SHARE, axis=1)[:, :n]

    def pull(
        self,
        own: Float[Array, " n_read"],
        sent: Float[Array, "n_near n_read"],
        edge: Float[Array, "n_near n_edge"],
        fade: Float[Array, " n_near"],
        by_received: Float[Array, "n_near n_value n"],
    ) -> Pulled:
        """Return derivatives by everything given, from those by what arrives."""
        _, back = jax.vjp(self, own, sent, edge, fade)
        return Pulled(*jax.vmap(back, in_axes=-1, out_axes=-1)(by_received))
