"""Cut the matrices a model needs out of a chip and put them on a rung of the ladder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.crossbar.matvec import AbstractMatVec, Crossbar, Exact, Quantised, signed
from rgnn.crossbar.wires import effective_matrix
from rgnn.device.chip import Chip

_Strip = tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]
"""Conductances [µS] and the standard deviations of one read."""

Rung = Literal["exact", "quantised", "crossbar"]


@dataclass(frozen=True)
class Periphery:
    """Which rung to stand on, and its converters."""

    rung: Rung = "crossbar"
    bits: int = 8
    """Bits of an input, sign included; each is a read of its own."""
    adc_bits: int | None = 12
    """Bits of the output converter, which sees the shifted and added planes; None is ideal."""

    def __post_init__(self) -> None:
        if self.rung not in ("exact", "quantised", "crossbar"):
            raise InputError(f"unknown rung '{self.rung}'; use exact, quantised or crossbar")
        if not 2 <= self.bits <= 16:
            raise InputError(f"input bits must be between 2 and 16, got {self.bits}")
        if self.adc_bits is not None and not 2 <= self.adc_bits <= 24:
            raise InputError(f"ADC bits must be between 2 and 24, got {self.adc_bits}")


@dataclass(frozen=True, eq=False)
class Block:
    """The cells [µS] behind one matrix: lines that carry current out × word lines."""

    cells: Float[np.ndarray, "n_line n_row"]
    cell_std: Float[np.ndarray, "n_line n_row"]
    gain: float
    wiring: str

    @property
    def weight(self) -> Float[np.ndarray, "n_out n_in"]:
        """Return the dimensionless matrix; its entries have unit variance over the chip."""
        return self.gain * signed(self.cells, wiring=self.wiring)


def cut(chip: Chip, shapes: Sequence[tuple[int, int]]) -> list[Block]:
    """Return one block of cells for every (n_out, n_in), none of them used twice.

    A matrix with n_in inputs lies on shelves of n_in word lines (n_in + 1 where neighbours share a
    cell) and continues on the next shelf or macro where one is full. A matrix with more inputs
    than a macro has rows is split over several shelves, whose partial sums add up digitally.
    """
    shelves = _Shelves(chip)
    gain = 1.0 / _weight_std(chip)
    blocks = []
    for n_out, n_in in shapes:
        cells, cell_std = shelves.take(n_out, n_in)
        blocks.append(Block(cells, cell_std, gain, chip.wiring))
    shelves.check()
    return blocks


def read_strip(chip: Chip, macro: int, first: int, height: int) -> _Strip:
    """Return what the bit lines see of `height` word lines: conductances and read noise [µS].

    With resistive wires these are the entries of the strip's effective matrix, all its columns
    being read at once and the gates of the other rows off. The noise of a cell reaches its line
    weakened as its current is (first order in the noise).
    """
    cells = chip.conductance[macro, first : first + height]
    cell_std = chip.noise.std(cells)
    if chip.wires is None:
        return cells, cell_std
    if chip.wires.drive == "gate":
        raise InputError(
            f"chip '{chip.name}': its inputs drive gates, so with resistive wires the currents are "
            "not linear in the inputs and no matrix stands for the array; use ideal wires, or "
            "rgnn.crossbar.gate_driven_currents plane by plane"
        )
    seen = (
        1e6
        * effective_matrix(
            1e-6 * cells,
            chip.wires.word_line,
            chip.wires.bit_line,
            rows_below=chip.conductance.shape[1] - first - height,
        ).T
    )
    weakened = np.divide(seen, cells, out=np.ones_like(cells), where=cells > 0)
    return seen, cell_std * weakened


def mount(block: Block, periphery: Periphery, *, limit: float, dtype: str) -> AbstractMatVec:
    """Return the matrix of `block` on the asked rung, for activations within ±`limit`."""

    def cast(values: Float[np.ndarray, "..."] | float):
        return jnp.asarray(values, dtype)

    if periphery.rung == "exact":
        return Exact(cast(block.weight))
    if periphery.rung == "quantised":
        return Quantised(weight=cast(block.weight), limit=cast(limit), bits=periphery.bits)
    fluctuates = bool(block.cell_std.any())
    return Crossbar(  # pyright: ignore[reportCallIssue]  (weight is a property)
        cells=cast(block.cells),
        cell_std=cast(block.cell_std) if fluctuates else None,
        gain=cast(block.gain),
        limit=cast(limit),
        adc_limit=cast(adc_limit(block.weight)),
        wiring=block.wiring,
        bits=periphery.bits,
        adc_bits=periphery.adc_bits,
        noisy=fluctuates or periphery.adc_bits is not None,
    )


def adc_limit(weight: Float[np.ndarray, "n_out n_in"]) -> float:
    """Return the converter's range: four times the largest row norm, so full drive fits."""
    return 4.0 * float(np.sqrt(np.square(weight).sum(axis=1).max()))


def _weight_std(chip: Chip) -> float:
    """Return the standard deviation [µS] of the signed weights the whole chip can form."""
    spread = float(chip.conductance.std())
    if spread == 0:
        raise InputError(f"chip '{chip.name}': all cells are equal, so every weight would be 0")
    return float(np.sqrt(2.0)) * spread


class _Shelves:
    """Hands out cells shelf by shelf (a shelf is a strip of word lines) and counts the missing."""

    def __init__(self, chip: Chip):
        self.chip = chip
        self.open: dict[int, tuple[_Strip, int]] = {}  # height → shelf and its next free column
        self.used: list[int] = []  # word lines taken in every macro opened so far

    def take(self, n_out: int, n_in: int) -> _Strip:
        """Return the cells of a matrix and their noise, lines × word lines."""
        shared = self.chip.wiring == "shared"
        n_row, n_line = (n_in + 1, n_out) if shared else (n_in, 2 * n_out)
        rows = self.chip.conductance.shape[1]
        heights = [min(rows, n_row - top) for top in range(0, n_row, rows)]
        cells, cell_std = _join([self._lines(height, n_line) for height in heights], axis=0)
        return cells.T, cell_std.T

    def _lines(self, height: int, count: int) -> _Strip:
        """Return `count` bit lines of a shelf of `height` rows, opening new shelves as needed."""
        columns = self.chip.conductance.shape[2]
        pieces = []
        while count:
            strip, column = self.open.get(height, (None, columns))
            if strip is None or column == columns:
                strip, column = self._shelf(height), 0
            width = min(count, columns - column)
            pieces.append(tuple(part[:, column : column + width] for part in strip))
            self.open[height] = strip, column + width
            count -= width
        return _join(pieces, axis=1)

    def _shelf(self, height: int) -> _Strip:
        """Open a shelf in the first macro with room for it."""
        n_macro, rows, columns = self.chip.conductance.shape
        fits = (m for m, used in enumerate(self.used) if used + height <= rows)
        macro = next(fits, len(self.used))
        if macro == len(self.used):
            self.used.append(0)
        first, self.used[macro] = self.used[macro], self.used[macro] + height
        if macro >= n_macro:
            return np.zeros((height, columns)), np.zeros((height, columns))
        return read_strip(self.chip, macro, first, height)

    def check(self) -> None:
        n_macro, rows, columns = self.chip.conductance.shape
        if len(self.used) > n_macro:
            raise InputError(
                f"the model needs {len(self.used)} macros of {rows}×{columns} cells, chip "
                f"'{self.chip.name}' has {n_macro}: use a chip with more macros or a smaller model"
            )


def _join(pieces: Sequence[tuple[np.ndarray, np.ndarray]], axis: int) -> _Strip:
    cells, cell_std = zip(*pieces, strict=True)
    return np.concatenate(cells, axis), np.concatenate(cell_std, axis)


def macros_needed(chip: Chip, shapes: Sequence[tuple[int, int]]) -> int:
    """Return how many macros like those of `chip` hold matrices of the given (n_out, n_in)."""
    shelves = _Shelves(chip)
    for n_out, n_in in shapes:
        shelves.take(n_out, n_in)
    return len(shelves.used)
