"""Fixed matrices that multiply vectors, from exact arithmetic to a noisy crossbar.

`Exact → Quantised → Crossbar` is one ladder: every claim about accuracy under bits and noise
changes which rung is handed to the reservoir and nothing else.

A rung offers these products with its matrix W (n_out × n_in):

* `mv(x)`: the read of an activation, on a calibrated range that is fixed per layer;
* `mv.repeated(x, n)`: the mean of n such reads, each with its input moved by another fraction of a
  code (`converter.dither`), so that rounding averages out together with the noise;
* `mv.tangent(dx)`: a further forward read of a derivative vector. W x is linear, so derivatives
  pass through the same array; each vector is scaled to the full range and back digitally;
* `mv.tangent_law(dx, n)`: the law of the mean of n such reads. Output k is Gaussian with mean
  `drive · weight[k]` and variance `power · read_variance[k]`, independent of the other outputs.
  Whoever only needs linear combinations of tangent reads (a force is one) draws them with their
  own exact law instead of every read: c · tangent(dx) has mean drive · (c W) and variance
  power · (c² read_variance).

Noise of independent Gaussian cells is sampled where it leaves the array: the current of a line
is a sum of Gaussians, hence Gaussian itself with variance Σ_r v_r² σ(G_r)². That is exact in law
and costs one more product instead of a copy of the matrix per read.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar import converter
from rgnn.crossbar.product import exact_sum


class AbstractMatVec(eqx.Module):
    """A fixed linear map `n_in → n_out`; `key` draws the noise of one read."""

    weight: eqx.AbstractVar[Float[Array, "n_out n_in"]]
    noisy: eqx.AbstractVar[bool]
    """Whether two reads of the same input differ."""

    def line_inputs(self, x: Float[Array, "*batch n_raw"]) -> Float[Array, "*batch n_in"]:
        """Return what drives the lines of the array when the input is `x`."""
        return x

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        """Return the read of activations `x`."""

    @abc.abstractmethod
    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        """Return the mean of `reads` dithered reads of activations `x`."""

    @abc.abstractmethod
    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        """Return the read of derivative vectors `dx`, each on its own scale."""

    @abc.abstractmethod
    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> "TangentLaw":
        """Return the law of `tangent(dx)`, or of the mean of `reads` dithered ones."""

    @property
    @abc.abstractmethod
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        """Return the variance of every output per unit of each entry of `TangentLaw.power`."""

    @abc.abstractmethod
    def driven(self, start: int, stop: int) -> "AbstractMatVec":
        """Return the part of the array that the inputs `start` … `stop` − 1 drive.

        `mv.driven(a, b)(x)` is `mv` with zeros on all other inputs, at a fraction of the work.
        """


class TangentLaw(NamedTuple):
    """Output k of a tangent read has mean `drive · weight[k]`, variance `power · read_variance[k]`.

    The mean and the read noise are exact. The rounding of the output converter is taken as an
    independent uniform error of one step, variance step²/12 for each output, which is what it is
    as long as the noise of a read spans a step.
    """

    drive: Float[Array, "*batch n_in"]
    power: Float[Array, "*batch n_power"]


class Exact(AbstractMatVec):
    """`x @ weight.T` in floating point."""

    weight: Float[Array, "n_out n_in"]
    noisy: bool = eqx.field(static=True, default=False)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return x @ self.weight.T

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self(x)

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return dx @ self.weight.T

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        return TangentLaw(dx, _no_power(dx))

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return jnp.zeros((self.weight.shape[0], 0), self.weight.dtype)

    def driven(self, start: int, stop: int) -> "Exact":
        return Exact(weight=self.weight[:, start:stop])


class Quantised(AbstractMatVec):
    """`Exact` behind `bits`-bit inputs: the rounding of a crossbar without its noise."""

    weight: Float[Array, "n_out n_in"]
    limit: Float[Array, ""]
    bits: int = eqx.field(static=True, default=8)
    noisy: bool = eqx.field(static=True, default=False)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._product(x, self.limit)

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._product(x, self.limit, reads)

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._product(dx, own_scale(dx))

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        scale = own_scale(dx)
        unit = scale / (reads * converter.full_scale(self.bits))
        return TangentLaw(self._codes(dx / scale, reads) * unit, _no_power(dx))

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return jnp.zeros((self.weight.shape[0], 0), self.weight.dtype)

    def driven(self, start: int, stop: int) -> "Quantised":
        return eqx.tree_at(lambda mv: mv.weight, self, self.weight[:, start:stop])

    def _product(self, x: Array, scale: Array, reads: int = 1) -> Array:
        top = reads * converter.full_scale(self.bits)
        return exact_sum(self._codes(x / scale, reads), self.weight, peak=top) * (scale / top)

    def _codes(self, u: Array, reads: int) -> Array:
        """Return the sum of the codes of `reads` dithered reads, a whole number."""
        codes = (converter.encode(u, bits=self.bits, shift=s) for s in converter.dither(reads))
        return sum(codes, start=jnp.zeros_like(u))


def own_scale(dx: Array) -> Array:
    """Return the largest magnitude of each vector, 1 for zero vectors."""
    scale = jnp.max(jnp.abs(dx), axis=-1, keepdims=True)
    return jnp.where(scale > 0, scale, 1)


def _no_power(dx: Array) -> Array:
    return jnp.zeros((*dx.shape[:-1], 0), dx.dtype)


def needed(key: PRNGKeyArray | None) -> PRNGKeyArray:
    """Return `key`, or say that a noisy read needs one."""
    if key is None:
        raise ValueError(
            "reads of a crossbar are noisy: pass `key=jax.random.key(seed)`, or use "
            "`Exact(crossbar.weight)` for the noiseless product"
        )
    return key
