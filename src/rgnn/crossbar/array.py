"""A noisy conductance array behind its converters: the top rung of the ladder.

Inputs are sent as pulses, by default one per bit; each pulse is a read of its own with fresh noise.
The output converter sits either behind the shift-and-add of all pulses (`adc_at="end"`), where all
pulses collapse to one product, or digitises every pulse (`adc_at="plane"`).
"""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core.errors import InputError
from rgnn.crossbar import converter
from rgnn.crossbar.matvec import AbstractMatVec, TangentLaw, needed, own_scale
from rgnn.crossbar.product import exact_sum

Cells = TypeVar("Cells", Array, np.ndarray)


class Crossbar(AbstractMatVec):
    """Pulsed reads of a noisy conductance array.

    `cells` [µS] are the programmed conductances of the lines that carry current out (n_line) on
    the word lines that carry voltage in (n_row), `cell_std` [µS] the standard deviation of one
    read of each (None: reads repeat exactly). With `wiring="pairs"` output k is I₂ₖ − I₂ₖ₊₁; with
    `"shared"` a weight is the difference of two neighbouring cells of one line, gₖ₊₁ − gₖ, so
    inputs are driven as differences. `gain` turns µS into dimensionless weights; `adc_limit`,
    `adc_gain` and `adc_offset` are in units of the output, one for all columns or one for each.
    """

    cells: Float[Array, "n_line n_row"]
    cell_std: Float[Array, "n_line n_row"] | None
    gain: Float[Array, ""]
    limit: Float[Array, ""]
    adc_limit: Float[Array, "*column"]
    adc_gain: Float[Array, " n_out"] | None = None
    adc_offset: Float[Array, " n_out"] | None = None
    wiring: str = eqx.field(static=True, default="pairs")
    bits: int = eqx.field(static=True, default=8)
    slice_bits: int = eqx.field(static=True, default=1)
    signed_inputs: bool = eqx.field(static=True, default=True)
    adc_bits: int | None = eqx.field(static=True, default=12)
    adc_at: str = eqx.field(static=True, default="end")
    adc_style: converter.Style = eqx.field(static=True, default="tread")
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
        self._refuse_unsigned()
        scale = own_scale(dx)
        return self._read(dx / scale, key) * scale

    def tangent_law(self, dx: Float[Array, "*batch n_in"]) -> TangentLaw:
        self._refuse_unsigned()
        scale = own_scale(dx)
        code = self._encode(dx / scale)
        unit = scale / self._top
        return TangentLaw(code * unit, jnp.concatenate([self._power(code) * unit**2, scale**2], -1))

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        """Variance per word line [gain² µS²], then that of the output converter."""
        cells = self.gain**2 * self._cell_variance
        rounding = jnp.full((cells.shape[0], 1), 0.0, cells.dtype)
        if self.adc_bits is not None:
            step = converter.step(self.adc_limit, bits=self.adc_bits, style=self.adc_style)
            rounding = rounding + jnp.reshape(step**2 / 12 * self._conversions, (-1, 1))
        return jnp.concatenate([cells, rounding], -1)

    def driven(self, start: int, stop: int) -> "Crossbar":
        rows = slice(start, stop + 1) if self._neighbours else slice(start, stop)
        part = jax.tree.map(lambda cells: cells[:, rows], (self.cells, self.cell_std))
        return eqx.tree_at(
            lambda mv: (mv.cells, mv.cell_std), self, part, is_leaf=lambda leaf: leaf is None
        )

    def transposed(self) -> "Crossbar":
        """Return the array read the other way round: bit lines driven, word lines sensed.

        Needs converters on both sides. Line 2k then gets +xₖ and line 2k + 1 gets −xₖ, so the
        law of the noise stays that of pairs.
        """
        if self._neighbours:
            raise InputError(
                "shared cells cannot be read transposed: neighbouring outputs would share a line"
            )
        self._refuse_unsigned()

        def turned(cells: Array) -> Array:
            return jnp.stack([cells[::2].T, cells[1::2].T], axis=1).reshape(-1, len(cells) // 2)

        cell_std = None if self.cell_std is None else turned(self.cell_std)
        return eqx.tree_at(
            lambda mv: (mv.cells, mv.cell_std, mv.adc_limit),
            self,
            (turned(self.cells), cell_std, jnp.max(self.adc_limit)),
            is_leaf=lambda leaf: leaf is None,
        )

    def before_conversion(
        self, u: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*conversions n_out"]:
        """Return what the output converter sees for `u` ∈ [−1, 1]: (batch, pulses) or (batch)."""
        code = self._encode(u)
        if self.adc_at == "end" or self.adc_bits is None:
            return self._output(code, self._power(code), self._top, key) / self._top
        pulses = converter.pulses(
            code, bits=self.bits, signed=self.signed_inputs, slice_bits=self.slice_bits
        )
        power = jnp.square(converter.to_lines(pulses, neighbours=self._neighbours))
        return self._output(pulses, power, self._digit_top, key) / self._digit_top

    @property
    def _neighbours(self) -> bool:
        return self.wiring == "shared"

    @property
    def _top(self) -> int:
        return converter.full_scale(self.bits, signed=self.signed_inputs)

    @property
    def _digit_top(self) -> int:
        return 2**self.slice_bits - 1

    @property
    def _places(self) -> list[int]:
        return converter.places(self.bits, signed=self.signed_inputs, slice_bits=self.slice_bits)

    @property
    def _conversions(self) -> float:
        """Variance of the sum of all conversions of one read, in units of one conversion's."""
        if self.adc_at == "end":
            return 1.0
        return float(sum((place * self._digit_top / self._top) ** 2 for place in self._places))

    def _encode(self, u: Array) -> Array:
        return converter.encode(u, bits=self.bits, signed=self.signed_inputs)

    def _power(self, code: Array) -> Array:
        return converter.drive_power(
            code,
            bits=self.bits,
            neighbours=self._neighbours,
            signed=self.signed_inputs,
            slice_bits=self.slice_bits,
        )

    def _read(self, u: Array, key: PRNGKeyArray | None) -> Array:
        """Return the product with `u` ∈ [−1, 1] as the digital side receives it."""
        y = self._converted(self.before_conversion(u, key=key))
        if self.adc_at == "end" or self.adc_bits is None:
            return y
        places = jnp.asarray(self._places, y.dtype) * (self._digit_top / self._top)
        return jnp.sum(y * places[:, None], axis=-2)

    def _output(self, code: Array, power: Array, peak: int, key: PRNGKeyArray | None) -> Array:
        """Return one draw of the analogue output for `code`."""
        # A single pulse behind a converter of few bits does not show a cell's 16th bit.
        coarsely = peak == 1 and self.adc_bits is not None and self.adc_bits <= 10
        current = exact_sum(
            code, signed(self.cells, wiring=self.wiring), peak=peak, coarsely=coarsely
        )
        if self.cell_std is not None:
            power, power_peak = jax.lax.stop_gradient(power), 4 * (peak + 1) ** 2
            variance = exact_sum(power, self._cell_variance, peak=power_peak, coarsely=coarsely)
            current = current + _root(variance) * jax.random.normal(
                needed(key), current.shape, current.dtype
            )
        return self.gain * current

    def _converted(self, y: Array) -> Array:
        if self.adc_gain is not None:
            y = y * (1 + self.adc_gain)
        if self.adc_offset is not None:
            y = y + self.adc_offset
        return converter.digitise(y, limit=self.adc_limit, bits=self.adc_bits, style=self.adc_style)

    @property
    def _cell_variance(self) -> Float[Array, "n_out n_row"]:
        """Variance [µS²] that one volt on a word line puts on every output."""
        if self.cell_std is None:
            lines, n_row = self.cells.shape
            return jnp.zeros((lines if self._neighbours else lines // 2, n_row), self.cells.dtype)
        variance = jnp.square(self.cell_std)
        return variance if self._neighbours else variance[::2] + variance[1::2]

    def _refuse_unsigned(self) -> None:
        if not self.signed_inputs:
            raise InputError(
                "derivatives have both signs: use signed inputs for arrays that read tangents"
            )


class Tiled(AbstractMatVec):
    """A matrix with more inputs than a macro has word lines: partial sums add up digitally.

    Every tile digitises its own partial sum, so rounding and noise add up over the tiles.
    """

    tiles: tuple[Crossbar, ...]
    starts: tuple[int, ...] = eqx.field(static=True)
    """First input of every tile, and the end."""

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix without read noise."""
        return jnp.concatenate([tile.weight for tile in self.tiles], axis=-1)

    @property
    def noisy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether two reads of the same input differ."""
        return any(tile.noisy for tile in self.tiles)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        parts = zip(self.tiles, self._split(x), self._keys(key), strict=True)
        return sum((tile(part, key=k) for tile, part, k in parts), start=jnp.zeros((), x.dtype))

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        parts = zip(self.tiles, self._split(dx), self._keys(key), strict=True)
        reads = (tile.tangent(part, key=k) for tile, part, k in parts)
        return sum(reads, start=jnp.zeros((), dx.dtype))

    def tangent_law(self, dx: Float[Array, "*batch n_in"]) -> TangentLaw:
        laws = [t.tangent_law(p) for t, p in zip(self.tiles, self._split(dx), strict=True)]
        return TangentLaw(*(jnp.concatenate(parts, -1) for parts in zip(*laws, strict=True)))

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        return jnp.concatenate([tile.read_variance for tile in self.tiles], axis=-1)

    def driven(self, start: int, stop: int) -> "Tiled":
        kept, starts = [], [0]
        for tile, low, high in zip(self.tiles, self.starts, self.starts[1:], strict=False):
            first, last = max(start, low), min(stop, high)
            if first < last:
                kept.append(tile.driven(first - low, last - low))
                starts.append(starts[-1] + last - first)
        return Tiled(tiles=tuple(kept), starts=tuple(starts))  # pyright: ignore[reportCallIssue]

    def _split(self, x: Array) -> list[Array]:
        return jnp.split(x, self.starts[1:-1], axis=-1)

    def _keys(self, key: PRNGKeyArray | None) -> list[PRNGKeyArray | None]:
        if key is None:
            return [None] * len(self.tiles)
        return [jax.random.fold_in(key, index) for index in range(len(self.tiles))]


def signed(cells: Cells, *, wiring: str) -> Cells:
    """Return the signed weights [µS] (n_out × n_in) that cells (n_line × n_row) form."""
    if wiring == "shared":
        return cells[:, 1:] - cells[:, :-1]
    return cells[::2] - cells[1::2]


def _root(variance: Array) -> Array:
    """Return √variance with derivative 0 where nothing is driven."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1)), 0)
