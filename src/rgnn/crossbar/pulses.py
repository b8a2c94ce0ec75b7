"""How a number enters an array: as a train of pulses that carry its digits.

Every pulse is a read of its own. A pulse of one bit is a voltage or none, so the cells' current at
the read voltage is all that matters. A pulse of several bits is a voltage in between, and there the
cells' I–V curve shows: with

    I(V) = G V_read · sinh(κ V/V_read) / sinh(κ)

a digit d of at most D arrives as sinh(κ d/D)/sinh(κ), less than d/D; κ = 0 is Ohm's law. All cells
are taken to bend alike, which makes the curve a property of the input.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rgnn.crossbar import converter

_BENT_STEPS = 1023
"""Steps by which bent voltages are resolved."""
_POWER_STEPS = 2**20
"""Steps by which drive powers are resolved."""


class Power(NamedTuple):
    """Whole numbers up to `peak`; times `unit` they are squares of what is sent."""

    code: Float[Array, "*batch m"]
    peak: int
    unit: float


class Sent(NamedTuple):
    """What lines carry: whole numbers up to `peak`, of which `full` stand for an input of 1."""

    drive: Float[Array, "*batch n_in"]
    peak: int
    full: float
    power: Power
    """Σ v² of the fresh reads that make up the drive, on every word line."""


@dataclass(frozen=True)
class Pulses:
    """Sign and magnitude (or magnitude alone) in pulses of `slice_bits` bits each."""

    bits: int = 8
    slice_bits: int = 1
    signed: bool = True
    curvature: float = 0.0
    """κ of the I–V curve."""

    @property
    def top(self) -> int:
        """Return the largest code."""
        return converter.full_scale(self.bits, signed=self.signed)

    @property
    def places(self) -> list[int]:
        """Return the place values of the pulses, least significant first."""
        magnitude = self.bits - 1 if self.signed else self.bits
        return [2**bit for bit in range(0, magnitude, self.slice_bits)]

    @property
    def shares(self) -> list[float]:
        """Return what a full pulse of each place is of an input of 1."""
        return [place * self._digit_top / self.top for place in self.places]

    def encode(
        self, u: Float[Array, "*batch n"], shift: Float[Array, "..."] | float = 0.0
    ) -> Float[Array, "*batch n"]:
        """Return the codes of `u` ∈ [−1, 1], moved by `shift` codes."""
        return converter.encode(u, bits=self.bits, signed=self.signed, shift=shift)

    def one(
        self, code: Float[Array, "*batch n"], place: Float[Array, ""] | int, *, neighbours: bool
    ) -> Sent:
        """Return the pulse of `code` with this place value.

        A derivative is shared out evenly over the pulses, so that their sum has that of `code`.
        """
        slope = self._level_top / (self._digit_top * len(self.places) * place)
        drive = self._level(self._digit(code, place)) + _slope_of(code, slope)
        power = jnp.square(to_lines(jax.lax.stop_gradient(drive), neighbours=neighbours))
        peak = (self._level_top * (2 if neighbours else 1)) ** 2
        return Sent(drive, self._level_top, self._level_top, _whole(power, peak))

    def at_once(self, code: Float[Array, "*batch n"], *, neighbours: bool) -> Sent:
        """Return the shifted and added pulses of `code`: drive (*batch, n)."""
        power = self._power(code, neighbours=neighbours)
        if not self.curvature:
            return Sent(code, self.top, self.top, power)
        full = self.top * self._level_top / self._digit_top
        levels = ((p, self._level(self._digit(code, p))) for p in self.places)
        bent = sum((place * level for place, level in levels), start=jnp.zeros_like(code))
        drive = bent + _slope_of(code, full / self.top)
        return Sent(drive, self._level_top * sum(self.places), full, power)

    def _power(self, code: Float[Array, "*batch n"], *, neighbours: bool) -> Power:
        """Return Σ_b p_b² v_b², the factor that multiplies a cell's noise variance on its line.

        `v_b` is what the pulse of place value p_b puts on the line: a signed digit, or the
        difference of two neighbouring inputs where a cell serves two weights. Every pulse is a
        read of its own with fresh noise, so variances add with p_b².
        """
        code, power, peak = jax.lax.stop_gradient(code), 0.0, 0
        for place in self.places:
            line = to_lines(self._level(self._digit(code, place)), neighbours=neighbours)
            power = power + float(place) ** 2 * jnp.square(line)
            peak += place**2 * (self._level_top * (2 if neighbours else 1)) ** 2
        return _whole(jnp.asarray(power), peak)

    @property
    def _digit_top(self) -> int:
        return 2**self.slice_bits - 1

    @property
    def _level_top(self) -> int:
        return _BENT_STEPS if self.curvature else self._digit_top

    def _digit(
        self, code: Float[Array, "*batch n"], place: Float[Array, ""] | int
    ) -> Float[Array, "*batch n"]:
        """Return the signed digit of `code` with this place value."""
        magnitude, base = jnp.abs(code), 2**self.slice_bits
        higher = jnp.floor(magnitude / (place * base))
        return jnp.sign(code) * (jnp.floor(magnitude / place) - base * higher)

    def _level(self, digit: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
        """Return the voltage of a digit as the cells' current shows it, in whole steps."""
        if not self.curvature:
            return jax.lax.stop_gradient(digit)
        bent = jnp.sinh(self.curvature * digit / self._digit_top) / jnp.sinh(self.curvature)
        return jax.lax.stop_gradient(jnp.round(self._level_top * bent))


def to_lines(x: Float[Array, "*batch n"], *, neighbours: bool) -> Float[Array, "*batch m"]:
    """Return the voltages on the word lines: `x` itself, or xᵣ₋₁ − xᵣ for shared cells."""
    if not neighbours:
        return x
    edge = jnp.zeros((*x.shape[:-1], 1), x.dtype)
    return jnp.concatenate([edge, x], -1) - jnp.concatenate([x, edge], -1)


def _slope_of(code: Float[Array, "*batch n"], slope: Array | float) -> Float[Array, "*batch n"]:
    """Return 0 with the derivative of `slope * code`: the line through the stairs."""
    return slope * (code - jax.lax.stop_gradient(code))


def _whole(power: Float[Array, "*batch m"], peak: int) -> Power:
    """Return powers as whole numbers that single precision holds."""
    if peak <= _POWER_STEPS:
        return Power(power, peak, 1.0)
    unit = peak / _POWER_STEPS
    return Power(jnp.round(power / unit), _POWER_STEPS, unit)
