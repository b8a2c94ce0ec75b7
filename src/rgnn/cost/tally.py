"""Counting what a model does by letting it run on matrices that only count.

Nothing is computed twice or guessed: the model itself says which array it reads how often.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.cost.count import ArrayReads
from rgnn.crossbar.matvec import AbstractMatVec, TangentLaw


@dataclass
class Tally:
    """Reads of every matrix seen so far, by name."""

    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)
    activations: dict[str, int] = field(default_factory=dict)
    tangents: dict[str, int] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)

    def see(self, name: str, shape: tuple[int, int], *, part: bool = False) -> None:
        """Take note of a matrix (n_out, n_in), or of `part` of one that was seen before."""
        self.shapes[name] = shape
        if part:
            self.parts.add(name)
        self.activations.setdefault(name, 0)
        self.tangents.setdefault(name, 0)

    def arrays(self) -> tuple[ArrayReads, ...]:
        """Return the reads of all matrices."""
        return tuple(
            ArrayReads(
                name, *shape, self.activations[name], self.tangents[name], name in self.parts
            )
            for name, shape in self.shapes.items()
        )


class Counted(AbstractMatVec):
    """A matrix that notes every read and returns numbers without meaning."""

    weight: Float[Array, "n_out n_in"]
    noisy: bool = eqx.field(static=True)
    name: str = eqx.field(static=True)
    tally: Tally = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        self.tally.activations[self.name] += _rows(x)
        return self._anything(x)

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        self.tally.activations[self.name] += reads * _rows(x)
        return self._anything(x)

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        self.tally.tangents[self.name] += _rows(dx)
        return self._anything(dx)

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        self.tally.tangents[self.name] += reads * _rows(dx)
        return TangentLaw(dx, dx[..., :0])

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return self.weight[:, :0]

    def driven(self, start: int, stop: int) -> "Counted":
        name = f"{self.name}, inputs {start}–{stop - 1}"
        self.tally.see(name, (self.weight.shape[0], stop - start), part=True)
        return Counted(self.weight[:, start:stop], self.noisy, name, self.tally)

    def _anything(self, x: Array) -> Array:
        """Return the input's first entry as every output: traced like the real thing."""
        return jnp.broadcast_to(x[..., :1], (*x.shape[:-1], self.weight.shape[0]))


def counting(model: Any, tally: Tally) -> Any:
    """Return the pytree `model` with every matrix replaced by one that counts into `tally`."""

    def replaced(path: tuple, leaf: Any) -> Any:
        if not isinstance(leaf, AbstractMatVec):
            return leaf
        name = jax.tree_util.keystr(path, simple=True, separator=" ")
        tally.see(name, (leaf.weight.shape[0], leaf.weight.shape[1]))
        return Counted(jnp.asarray(leaf.weight), leaf.noisy, name, tally)

    return jax.tree_util.tree_map_with_path(
        replaced, model, is_leaf=lambda leaf: isinstance(leaf, AbstractMatVec)
    )


def operations(jaxpr: Any) -> int:
    """Return the multiply-accumulates of a traced function.

    A product of matrices counts its own, a factorisation a third of n³, and any other arithmetic
    one for every number it makes. Moving numbers about is free.
    """
    total = 0
    for equation in jaxpr.eqns:
        inner = [p for p in jax.tree.leaves(tuple(equation.params.values())) if _is_jaxpr(p)]
        made = sum(v.aval.size for v in equation.outvars if _is_real(v))
        if inner:
            repeated = equation.params.get("length", 1)
            total += repeated * sum(operations(getattr(p, "jaxpr", p)) for p in inner)
        elif equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += made * math.prod(shape[axis] for axis in contracted)
        elif equation.primitive.name in ("lu", "cholesky", "triangular_solve"):
            total += made * equation.invars[0].aval.shape[-1] // 3
        elif equation.primitive.name not in _MOVES:
            total += made
    return total


_MOVES = frozenset(
    "broadcast_in_dim reshape transpose squeeze concatenate slice dynamic_slice gather scatter pad "
    "convert_element_type copy iota select_n stop_gradient rev split".split()
)


def _rows(x: Array) -> int:
    return int(x.size // x.shape[-1])


def _is_real(variable: Any) -> bool:
    return jnp.issubdtype(getattr(variable.aval, "dtype", jnp.int32), jnp.floating)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")
