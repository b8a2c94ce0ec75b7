"""Given weights on cells: what a chip that can be programmed makes of a matrix.

A reservoir uses weights as the chip has them. To run a matrix someone else trained, or to compare
with simulators that do, its entries are mapped to conductances between g_min and g_max here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Block
from rgnn.device.faults import on_levels

Weights = Float[np.ndarray, "n_out n_in"]


@dataclass(frozen=True)
class Range:
    """Conductances [µS] a cell may take; `levels` equally spaced ones, or any (None)."""

    low: float
    high: float
    levels: int | None = None

    def __post_init__(self) -> None:
        if not self.high > self.low >= 0:
            raise InputError(f"a range needs 0 ≤ low < high, got {self.low}–{self.high} µS")

    def programmed(self, cells: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return `cells` on the levels there are."""
        if self.levels is None:
            return cells
        return on_levels(cells, levels=self.levels, low=self.low, high=self.high)


def on_pairs(
    weights: Weights,
    range: Range,
    *,
    sides: Literal["one", "two"] = "one",
    limit: float | None = None,
) -> Block:
    """Return a block of differential pairs whose weight is `weights` up to levels and clipping.

    One-sided pairs keep one cell of each pair at its lowest conductance: less current, less noise.
    Two-sided pairs move both cells from the middle: both carry half of the weight. `limit` is the
    weight of full scale, by default the largest.
    """
    full = float(np.abs(weights).max()) if limit is None else limit
    if not full > 0:
        raise InputError("all weights are 0; there is nothing to map")
    w = np.clip(weights / full, -1, 1)
    span = range.high - range.low
    if sides == "one":
        plus, minus = range.low + span * np.maximum(w, 0), range.low + span * np.maximum(-w, 0)
        gain = full / span
    else:
        plus, minus = range.low + span * (1 + w) / 2, range.low + span * (1 - w) / 2
        gain = full / span
    lines = np.stack([range.programmed(plus), range.programmed(minus)], axis=1)
    cells = lines.reshape(-1, weights.shape[1])
    return Block(((cells, np.zeros_like(cells)),), gain, "pairs")


def on_offset_column(weights: Weights, range: Range, *, limit: float | None = None) -> Block:
    """Return a block with one cell a weight, and one more line whose cells stand for weight 0.

    That line's current is taken off all others: half the cells of pairs, but its read noise is
    common to all outputs, and cells in the middle of the range carry current for weights of 0.
    """
    full = float(np.abs(weights).max()) if limit is None else limit
    if not full > 0:
        raise InputError("all weights are 0; there is nothing to map")
    (zero,) = range.programmed(np.array([(range.low + range.high) / 2]))
    swing = min(range.high - zero, zero - range.low)
    if not swing > 0:
        raise InputError(f"{range.levels} levels leave none for weight 0 between two others")
    cells = range.programmed(zero + swing * np.clip(weights / full, -1, 1))
    lines = np.concatenate([cells, np.full((1, weights.shape[1]), zero)])
    return Block(((lines, np.zeros_like(lines)),), full / swing, "offset")


def sliced(
    weights: Weights, range: Range, *, bits: int, slice_bits: int
) -> list[tuple[Block, float]]:
    """Return blocks and place values whose weighted sum is `weights`, rounded to `bits`.

    Every block holds `slice_bits` bits of each weight's magnitude on one-sided pairs, so cells of
    few levels make weights of many.
    """
    if not 1 <= slice_bits <= bits - 1:
        raise InputError(f"slices of {slice_bits} bits do not cut weights of {bits} bits")
    top = 2 ** (bits - 1) - 1
    full = float(np.abs(weights).max())
    code = np.rint(weights / full * top)
    digit_range = Range(range.low, range.high, 2**slice_bits)
    blocks = []
    for shift in np.arange(0, bits - 1, slice_bits):
        digits = np.sign(code) * (np.abs(code).astype(int) >> shift & (2**slice_bits - 1))
        block = on_pairs(digits, digit_range, limit=float(2**slice_bits - 1))
        blocks.append((block, float(2.0**shift * full / top)))
    return blocks
