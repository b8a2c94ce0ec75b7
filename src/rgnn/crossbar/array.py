"""A noisy conductance array behind its converters: the top rung of the ladder.

Inputs are sent as pulses, by default one per bit; each pulse is a read of its own with fresh noise.
The output converter sits either behind the shift-and-add of all pulses (`adc_at="end"`), where all
pulses collapse to one product, or digitises every pulse (`adc_at="plane"`).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core.errors import InputError
from rgnn.crossbar import converter, gaussian, wiring
from rgnn.crossbar.matvec import AbstractMatVec, TangentLaw, needed, own_scale
from rgnn.crossbar.product import Precision, exact_sum
from rgnn.crossbar.pulses import Power, Pulses, Sent


class Crossbar(AbstractMatVec):
    """Pulsed reads of a noisy conductance array.

    `cells` [µS] are the programmed conductances of the lines that carry current out (n_line) on
    the word lines that carry voltage in (n_row), `cell_std` [µS] the standard deviation of one
    read of each (None: reads repeat exactly). `wiring` says how lines make outputs
    (`crossbar.wiring`). `gain` turns µS into dimensionless weights; `adc_limit`, `adc_gain` and
    `adc_offset` are in units of the output, one for all columns or one for each.
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
    curvature: float = eqx.field(static=True, default=0.0)
    adc_bits: int | None = eqx.field(static=True, default=12)
    adc_at: str = eqx.field(static=True, default="end")
    adc_style: converter.Style = eqx.field(static=True, default="tread")
    noisy: bool = eqx.field(static=True, default=True)
    half: bool = eqx.field(static=True, default=False)
    """Whether products keep 8 significant bits of every conductance instead of all."""

    @property
    def weight(self) -> Float[Array, "n_out n_in"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The matrix without read noise."""
        return self.gain * wiring.signed(self.cells, wiring=self.wiring)

    def __call__(
        self, x: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        return self._read(x / self.limit, key) * self.limit

    def repeated(
        self, x: Float[Array, "*batch n_in"], reads: int, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        shifts = jnp.asarray(converter.dither(reads), x.dtype)
        keys = None if key is None else jax.random.split(key, reads)

        def add(total: Array, read: tuple) -> tuple[Array, None]:
            # One after the other, so that the order of the sum does not depend on the batch.
            return total + self._read(x / self.limit, *read), None

        none = jnp.zeros((*x.shape[:-1], self.weight.shape[0]), x.dtype)
        return jax.lax.scan(add, none, (keys, shifts))[0] * (self.limit / reads)

    def tangent(
        self, dx: Float[Array, "*batch n_in"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "*batch n_out"]:
        self._refuse_unsigned()
        scale = own_scale(dx)
        return self._read(dx / scale, key) * scale

    def tangent_law(self, dx: Float[Array, "*batch n_in"], reads: int = 1) -> TangentLaw:
        self._refuse_unsigned()
        if self.wiring == "offset":
            raise InputError(
                "the line of the offset adds the same noise to all outputs, so they have no law of "
                "their own: read tangents one by one, or map the weights on pairs"
            )
        scale, shifts = own_scale(dx), jnp.asarray(converter.dither(reads), dx.dtype)
        u = jnp.broadcast_to(dx / scale, (reads, *dx.shape))
        code = self._pulses.encode(u, shifts.reshape(-1, *[1] * dx.ndim))
        sent = self._pulses.at_once(code, neighbours=self._neighbours)
        unit = scale / (reads * sent.full)
        drive = sent.drive.sum(0) * unit
        power = sent.power.code.sum(0) * (sent.power.unit * unit**2)
        return TangentLaw(drive, jnp.concatenate([power, scale**2 / reads], -1))

    @property
    def read_variance(self) -> Float[Array, "n_out n_power"]:
        """Variance per word line [gain² µS²], then that of the output converter."""
        cells = self.gain**2 * wiring.own_variance(self._cell_variance, wiring=self.wiring)
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
        if self.wiring != "pairs":
            raise InputError(
                f"'{self.wiring}' cells cannot be read transposed: outputs would share a line"
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
        self,
        u: Float[Array, "*batch n_in"],
        *,
        key: PRNGKeyArray | None = None,
        shift: Float[Array, ""] | float = 0.0,
    ) -> Float[Array, "*conversions n_out"]:
        """Return what the output converter sees for `u` ∈ [−1, 1]: (batch, pulses) or (batch)."""
        code = self._pulses.encode(u, shift)
        if self._converts_once:
            return self._analogue(self._pulses.at_once(code, neighbours=self._neighbours), key)
        _, seen = jax.lax.scan(
            lambda _, pulse: (None, self._pulse(code, *pulse)), None, self._train(key)
        )
        return jnp.moveaxis(seen, 0, -2)

    @property
    def _pulses(self) -> Pulses:
        return Pulses(self.bits, self.slice_bits, self.signed_inputs, self.curvature)

    @property
    def _neighbours(self) -> bool:
        return self.wiring == "shared"

    @property
    def _converts_once(self) -> bool:
        return self.adc_at == "end" or self.adc_bits is None

    @property
    def _conversions(self) -> float:
        """Variance of the sum of all conversions of one read, in units of one conversion's."""
        if self.adc_at == "end":
            return 1.0
        return float(sum(share**2 for share in self._pulses.shares))

    def _read(
        self, u: Array, key: PRNGKeyArray | None, shift: Float[Array, ""] | float = 0.0
    ) -> Array:
        """Return the product with `u` ∈ [−1, 1] as the digital side receives it."""
        if self._converts_once:
            return self._converted(self.before_conversion(u, key=key, shift=shift))
        code, train = self._pulses.encode(u, shift), self._train(key)

        def add(total: Array, pulse: tuple) -> tuple[Array, None]:
            (share, *rest) = pulse
            return total + share * self._converted(self._pulse(code, *rest)), None

        # Pulse by pulse, so that all of one pulse's numbers stay in the processor's cache.
        none = jnp.zeros((*u.shape[:-1], self.weight.shape[0]), u.dtype)
        shares = jnp.asarray(self._pulses.shares, u.dtype)
        return jax.lax.scan(add, none, (shares, *train))[0]

    def _train(self, key: PRNGKeyArray | None) -> tuple[Array, Array | None]:
        """Return place values and keys of all pulses."""
        places = jnp.asarray(self._pulses.places, self.cells.dtype)
        return places, None if key is None else jax.random.split(key, len(places))

    def _pulse(self, code: Array, place: Array, key: PRNGKeyArray | None) -> Array:
        """Return what the converter sees of one pulse."""
        sent = self._pulses.one(code, place, neighbours=self._neighbours)
        return self._analogue(sent, key)

    def _analogue(self, sent: Sent, key: PRNGKeyArray | None) -> Array:
        """Return one draw of the analogue output, relative to an input of 1."""
        matrix = wiring.signed(self.cells, wiring=self.wiring)
        current = exact_sum(
            sent.drive, matrix, peak=sent.peak, precision=self._precision(sent.peak)
        )
        if self.cell_std is not None:
            current = current + self._fluctuation(sent.power, needed(key))
        return self.gain * current / sent.full

    def _fluctuation(self, power: Power, key: PRNGKeyArray) -> Array:
        """Return one draw of the currents' noise [µS], exact in law for Gaussian cells."""

        def drawn(variance: Array, key: PRNGKeyArray) -> Array:
            # A noise level is good to 0.1 % with 8 bits of every cell's.
            total = exact_sum(power.code, variance, peak=power.peak, precision="half")
            return _root(power.unit * total) * gaussian.normal(key, total.shape, total.dtype)

        variance = self._cell_variance
        own = drawn(wiring.own_variance(variance, wiring=self.wiring), key)
        if self.wiring != "offset":
            return own
        return own - drawn(variance[-1:], jax.random.fold_in(key, 1))

    def _precision(self, peak: int) -> Precision:
        if self.half:
            return "half"
        # A single pulse behind a converter of few bits does not show a cell's 16th bit.
        one_pulse = peak == 1 and self.adc_bits is not None and self.adc_bits <= 10
        return "single" if one_pulse else "full"

    def _converted(self, y: Array) -> Array:
        if self.adc_gain is not None:
            y = y * (1 + self.adc_gain)
        if self.adc_offset is not None:
            y = y + self.adc_offset
        return converter.digitise(y, limit=self.adc_limit, bits=self.adc_bits, style=self.adc_style)

    @property
    def _cell_variance(self) -> Float[Array, "n_line n_row"]:
        return jnp.zeros_like(self.cells) if self.cell_std is None else jnp.square(self.cell_std)

    def _refuse_unsigned(self) -> None:
        if not self.signed_inputs:
            raise InputError(
                "derivatives have both signs: use signed inputs for arrays that read tangents"
            )


def _root(variance: Array) -> Array:
    """Return √variance with derivative 0 where nothing is driven."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1)), 0)
