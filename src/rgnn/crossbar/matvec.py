"""Fixed matrices that multiply vectors, from exact arithmetic to a noisy crossbar.

`Exact → Quantised → Crossbar` is one ladder: every claim about accuracy under bits and noise
changes which rung is handed to the reservoir and nothing else.

A rung offers three products with its matrix W (n_out × n_in):

* `mv(x)`: the read of an activation, on a calibrated range that is fixed per layer;
* `mv.tangent(dx)`: a further forward read of a derivative vector. W x is linear, so derivatives
  pass through the same array; each vector is scaled to the full range and back digitally;
* `mv.tangent_dot(dx, c)`: c · tangent(dx) for many dx. The digital side would form exactly this
  sum from the reads; the simulator samples it in one step, with the law of the sum.

Noise of independent Gaussian cells is sampled where it leaves the array: the current of a line
is a sum of Gaussians, hence Gaussian itself with variance Σ_r v_r² σ(G_r)². That is exact in law
and costs one more product instead of a copy of the matrix per read.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.crossbar import converter


class AbstractMatVec(eqx.Module):
    """A fixed linear map `n_in → n_out`; `key` draws the noise of one read."""

    weight: eqx.AbstractVar[Float[Array, "n_out n_in"]]
    noisy: eqx.AbstractVar[bool]
    """Whether two reads of the same input differ."""

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        """Return the read of activations `x`."""

    @abc.abstractmethod
    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        """Return the read of derivative vectors `dx`, each on its own scale."""

    @abc.abstractmethod
    def tangent_dot(
        self,
        dx: Float[Array, "*batch k n_in"],
        cotangent: Float[Array, "*batch n_out"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch k"]:
        """Return Σ_o cotangent_o · tangent(dx)_o, drawn with its exact law."""


class Exact(AbstractMatVec):
    """`x @ weight.T` in floating point."""

    weight: Float[Array, "n_out n_in"]
    noisy: bool = eqx.field(static=True, default=False)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return x @ self.weight.T

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return dx @ self.weight.T

    def tangent_dot(
        self,
        dx: Float[Array, "*batch k n_in"],
        cotangent: Float[Array, "*batch n_out"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch k"]:
        return _dot(dx, cotangent @ self.weight)


class Quantised(AbstractMatVec):
    """`Exact` behind `bits`-bit inputs: the rounding of a crossbar without its noise."""

    weight: Float[Array, "n_out n_in"]
    limit: Float[Array, ""]
    bits: int = eqx.field(static=True, default=8)
    noisy: bool = eqx.field(static=True, default=False)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._rounded(x, self.limit) @ self.weight.T

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._rounded(dx, _own_scale(dx)) @ self.weight.T

    def tangent_dot(
        self,
        dx: Float[Array, "*batch k n_in"],
        cotangent: Float[Array, "*batch n_out"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch k"]:
        return _dot(self._rounded(dx, _own_scale(dx)), cotangent @ self.weight)

    def _rounded(self, x: Array, scale: Array) -> Array:
        return converter.encode(x / scale, bits=self.bits) * (
            scale / converter.full_scale(self.bits)
        )


class Crossbar(AbstractMatVec):
    """Bit-serial reads of a noisy conductance array.

    `cells` [µS] are the programmed conductances of the lines that carry current out (n_line) on
    the word lines that carry voltage in (n_row), `cell_std` [µS] the standard deviation of one
    read of each. With `wiring="pairs"` output k is I₂ₖ − I₂ₖ₊₁; with `"shared"` a weight is the
    difference of two neighbouring cells of one line, gₖ₊₁ − gₖ, so inputs are driven as
    differences. `gain` turns µS into dimensionless weights.
    """

    cells: Float[Array, "n_line n_row"]
    cell_std: Float[Array, "n_line n_row"]
    gain: Float[Array, ""]
    limit: Float[Array, ""]
    adc_limit: Float[Array, ""]
    wiring: str = eqx.field(static=True, default="pairs")
    bits: int = eqx.field(static=True, default=8)
    adc_bits: int | None = eqx.field(static=True, default=12)
    noisy: bool = eqx.field(static=True, default=True)

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix without read noise."""
        return self.gain * signed(self.cells, wiring=self.wiring)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._read(x / self.limit, key) * self.limit

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        scale = _own_scale(dx)
        return self._read(dx / scale, key) * scale

    def tangent_dot(
        self,
        dx: Float[Array, "*batch k n_in"],
        cotangent: Float[Array, "*batch n_out"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch k"]:
        """Return Σ_o c_o · tangent(dx)_o in one draw.

        Exact in law for the read noise. The rounding of the output converter enters as
        independent uniform errors of one step, variance step²/12 for each output, which is what
        it is as long as the noise of a read spans a step.
        """
        scale = _own_scale(dx)
        code = converter.encode(dx / scale, bits=self.bits)
        power = converter.drive_power(code, bits=self.bits, neighbours=self._neighbours)
        lines = jnp.square(self._spread(cotangent))
        variance = self.gain**2 * _dot(power, lines @ jnp.square(self.cell_std))
        top = converter.full_scale(self.bits)
        if self.adc_bits is not None:
            step = self.adc_limit * top / converter.full_scale(self.adc_bits)
            variance = variance + step**2 / 12 * jnp.square(cotangent).sum(-1, keepdims=True)
        mean = _dot(code, cotangent @ self.weight)
        noise = jax.random.normal(_needed(key), mean.shape, mean.dtype)
        return (mean + jnp.sqrt(variance) * noise) * (scale[..., 0] / top)

    @property
    def _neighbours(self) -> bool:
        return self.wiring == "shared"

    def _read(self, u: Array, key: PRNGKeyArray | None) -> Array:
        """Return the product with `u` ∈ [−1, 1] as the digital side receives it."""
        top = converter.full_scale(self.bits)
        code = converter.encode(u, bits=self.bits)
        power = converter.drive_power(code, bits=self.bits, neighbours=self._neighbours)
        lines = converter.to_lines(code, neighbours=self._neighbours)
        noise = jax.random.normal(_needed(key), (*u.shape[:-1], self.cells.shape[0]), u.dtype)
        current = lines @ self.cells.T + noise * jnp.sqrt(power @ jnp.square(self.cell_std).T)
        y = self.gain * self._sense(current) / top
        return converter.digitise(y, limit=self.adc_limit, bits=self.adc_bits)

    def _sense(self, current: Array) -> Array:
        return current if self._neighbours else current[..., ::2] - current[..., 1::2]

    def _spread(self, cotangent: Array) -> Array:
        """Return the coefficient of every line in c · output (up to its sign)."""
        return cotangent if self._neighbours else jnp.repeat(cotangent, 2, -1)


def signed(cells: Float[Array, "n_line n_row"], *, wiring: str) -> Float[Array, "n_out n_in"]:
    """Return the signed weights [µS] that cells form."""
    if wiring == "shared":
        return cells[:, 1:] - cells[:, :-1]
    return cells[::2] - cells[1::2]


def _own_scale(dx: Array) -> Array:
    scale = jnp.max(jnp.abs(dx), axis=-1, keepdims=True)
    return jnp.where(scale > 0, scale, 1)


def _dot(rows: Array, vector: Array) -> Array:
    return jnp.einsum("...kn,...n->...k", rows, vector)


def _needed(key: PRNGKeyArray | None) -> PRNGKeyArray:
    if key is None:
        raise ValueError(
            "reads of a crossbar are noisy: pass `key=jax.random.key(seed)`, or use "
            "`Exact(crossbar.weight)` for the noiseless product"
        )
    return key
