"""The forward Laplacian as a small algebra: a value, its gradient and its Laplacian.

A `Jet` carries f(x), ∂f/∂x_a for every coordinate a, and Δf = Σ_a ∂²f/∂x_a² through a computation.
Two rules are enough, one for a function g of one variable and one for a product:

    ∂_a g(f) = g′ ∂_a f,             Δ g(f) = g′ Δf + g″ Σ_a (∂_a f)²
    ∂_a (f g) = f ∂_a g + g ∂_a f,   Δ(f g) = f Δg + g Δf + 2 Σ_a ∂_a f ∂_a g

Linear maps act on all three alike. A crossbar is one, so the value, every tangent and the
Laplacian are forward reads of the same array: no back-propagation, no finite step
(forward Laplacian: doi 10.1038/s42256-024-00794-x).

Tangents may come from two independent reads (`dx` has a leading axis of 1 or 2). Squares are
then formed between the reads, Σ_a ∂_a f⁽¹⁾ ∂_a f⁽²⁾, so that the variance of a read never enters
as a bias.

Every function below takes a `Jet` or a plain array: a wavefunction is written once and evaluated
with numbers where only its value is needed.
"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.crossbar.matvec import AbstractMatVec


class Jet(eqx.Module):
    """Values of shape `s`, their tangents (reads, coordinates, *s) and their Laplacians."""

    x: Float[Array, "*s"]
    dx: Float[Array, "n_read n_coordinate *s"]
    lap: Float[Array, "*s"]

    def __add__(self, other: "Jet | Array | float") -> "Jet":
        if isinstance(other, Jet):
            return Jet(self.x + other.x, self.dx + other.dx, self.lap + other.lap)
        x = self.x + other
        dx = jnp.broadcast_to(self.dx, (*self.dx.shape[:2], *x.shape))
        return Jet(x, dx, jnp.broadcast_to(self.lap, x.shape))

    def __neg__(self) -> "Jet":
        return Jet(-self.x, -self.dx, -self.lap)

    def __sub__(self, other: "Jet | Array | float") -> "Jet":
        return self + (-other)

    def __mul__(self, other: "Jet | Array | float") -> "Jet":
        if isinstance(other, Jet):
            return Jet(
                self.x * other.x,
                self.x * other.dx + other.x * self.dx,
                self.x * other.lap + other.x * self.lap + 2 * inner(self.dx, other.dx),
            )
        return Jet(self.x * other, self.dx * other, self.lap * other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __getitem__(self, index) -> "Jet":
        """Return the part `jet[..., index]`; the index must start with an ellipsis."""
        return self.map(lambda array: array[index])

    def sum(self, axis: int | tuple[int, ...]) -> "Jet":
        """Return the sum over trailing (negative) axes."""
        return self.map(lambda array: array.sum(axis))

    def map(self, function: Callable[[Array], Array]) -> "Jet":
        """Return a linear `function` of trailing axes that broadcasts over leading ones."""
        return Jet(function(self.x), function(self.dx), function(self.lap))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the values."""
        return self.x.shape

    @property
    def dtype(self) -> jnp.dtype:
        """Return the number type of the values."""
        return self.x.dtype


Field = Jet | Array
"""A quantity with its derivatives, or its value alone."""


def inner(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return Σ_a ∂_a f ∂_a g, between different reads where there are two."""
    reads, coordinates = a.shape[:2]
    # Term by term, so that XLA fuses the sum with what uses it: a reduction takes twice as long.
    terms = [a[r, k] * b[reads - 1 - r, k] for r in range(reads) for k in range(coordinates)]
    return sum(terms[1:], start=terms[0]) * (1 / reads)


def linear(function: Callable[[Array], Array], f: Field) -> Field:
    """Return a linear `function` of trailing axes that broadcasts over leading ones."""
    return f.map(function) if isinstance(f, Jet) else function(f)


def chain(
    f: Jet, value: Float[Array, "..."], first: Float[Array, "..."], second: Float[Array, "..."]
) -> Jet:
    """Return g(f) from g, g′ and g″ at `f.x`."""
    return Jet(value, first * f.dx, first * f.lap + second * inner(f.dx, f.dx))


def exp(f: Field) -> Field:
    """Return e^f."""
    if not isinstance(f, Jet):
        return jnp.exp(f)
    value = jnp.exp(f.x)
    return chain(f, value, value, value)


def log(f: Field) -> Field:
    """Return log |f|."""
    if not isinstance(f, Jet):
        return jnp.log(jnp.abs(f))
    inverse = 1 / f.x
    return chain(f, jnp.log(jnp.abs(f.x)), inverse, -jnp.square(inverse))


def sqrt(f: Field) -> Field:
    """Return √f of a positive f."""
    if not isinstance(f, Jet):
        return jnp.sqrt(f)
    root = jnp.sqrt(f.x)
    return chain(f, root, 0.5 / root, -0.25 / (root * f.x))


def reciprocal(f: Field) -> Field:
    """Return 1 / f."""
    if not isinstance(f, Jet):
        return 1 / f
    value = 1 / f.x
    return chain(f, value, -(value**2), 2 * value**3)


def tanh(f: Field) -> Field:
    """Return the hyperbolic tangent of f."""
    if not isinstance(f, Jet):
        return jnp.tanh(f)
    value = jnp.tanh(f.x)
    slope = 1 - value * value
    return chain(f, value, slope, -2 * value * slope)


def concatenate(fields: Sequence[Field]) -> Field:
    """Return the fields side by side on the last axis."""
    jets = [f for f in fields if isinstance(f, Jet)]
    if not jets:
        return jnp.concatenate([value(f) for f in fields], -1)
    reads = max(f.dx.shape[0] for f in jets)
    tangents = [jnp.broadcast_to(f.dx, (reads, *f.dx.shape[1:])) for f in jets]
    return Jet(
        jnp.concatenate([f.x for f in jets], -1),
        jnp.concatenate(tangents, -1),
        jnp.concatenate([f.lap for f in jets], -1),
    )


def value(f: Jet | Array) -> Array:
    """Return the value alone."""
    return f.x if isinstance(f, Jet) else f


def coordinates(x: Float[Array, "*batch n"]) -> Jet:
    """Return the last axis of `x` as the independent variables."""
    n = x.shape[-1]
    unit = jnp.eye(n, dtype=x.dtype).reshape(n, *(1,) * (x.ndim - 1), n)
    return Jet(x, jnp.broadcast_to(unit, (n, *x.shape))[None], jnp.zeros_like(x))


def read(mv: AbstractMatVec, f: Field, *, key: PRNGKeyArray | None, reads: int = 1) -> Field:
    """Return `mv` applied to `f`: one read for the value and one for each derivative vector.

    With `reads` = 2 a noisy array is read twice: tangents stay apart, values and Laplacians are
    averaged. The value alone is read once.
    """
    if not isinstance(f, Jet):
        return mv(f, key=key)
    if not mv.noisy:
        return Jet(mv(f.x), mv.tangent(f.dx), mv.tangent(f.lap))

    def average(product: Callable[..., Array], x: Array, name: str) -> Array:
        return jnp.mean(product(jnp.stack([x] * reads), key=_child(key, name)), axis=0)

    tangents = jnp.broadcast_to(f.dx, (reads, *f.dx.shape[1:]))
    return Jet(
        average(mv, f.x, "value"),
        mv.tangent(tangents, key=_child(key, "tangent")),
        average(mv.tangent, f.lap, "laplacian"),
    )


def _child(key: PRNGKeyArray | None, name: str) -> PRNGKeyArray | None:
    return None if key is None else keys.child(key, name)
