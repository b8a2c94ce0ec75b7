"""Cut the matrices a model needs out of a chip and put them on a rung of the ladder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.crossbar.matvec import AbstractMatVec, Crossbar, Exact, Quantised, signed
from rgnn.device.chip import Chip

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
        cells = shelves.take(n_out, n_in)
        blocks.append(Block(cells, chip.noise.std(cells), gain, chip.wiring))
    shelves.check()
    return blocks


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
        self.open: dict[int, tuple[int, int, int]] = {}  # height → macro, first row, next column
        self.used: list[int] = []  # word lines taken in every macro opened so far

    def take(self, n_out: int, n_in: int) -> Float[np.ndarray, "n_line n_row"]:
        shared = self.chip.wiring == "shared"
        n_row, n_line = (n_in + 1, n_out) if shared else (n_in, 2 * n_out)
        rows = self.chip.conductance.shape[1]
        heights = [min(rows, n_row - top) for top in range(0, n_row, rows)]
        return np.concatenate([self._lines(height, n_line) for height in heights], axis=0).T

    def _lines(self, height: int, count: int) -> Float[np.ndarray, "height count"]:
        """Return `count` bit lines of a shelf of `height` rows, opening new shelves as needed."""
        columns = self.chip.conductance.shape[2]
        pieces = []
        while count:
            macro, row, column = self.open.get(height, (0, 0, columns))
            if column == columns:
                macro, row, column = self._shelf(height)
            width = min(count, columns - column)
            pieces.append(self._cells(macro, row, column, height, width))
            self.open[height] = macro, row, column + width
            count -= width
        return np.concatenate(pieces, axis=1)

    def _shelf(self, height: int) -> tuple[int, int, int]:
        """Open a shelf in the first macro with room for it."""
        rows = self.chip.conductance.shape[1]
        fits = (m for m, used in enumerate(self.used) if used + height <= rows)
        macro = next(fits, len(self.used))
        if macro == len(self.used):
            self.used.append(0)
        first, self.used[macro] = self.used[macro], self.used[macro] + height
        return macro, first, 0

    def _cells(
        self, macro: int, row: int, column: int, height: int, width: int
    ) -> Float[np.ndarray, "height width"]:
        if macro >= len(self.chip.conductance):
            return np.zeros((height, width))
        return self.chip.conductance[macro, row : row + height, column : column + width]

    def check(self) -> None:
        n_macro, rows, columns = self.chip.conductance.shape
        if len(self.used) > n_macro:
            raise InputError(
                f"the model needs {len(self.used)} macros of {rows}×{columns} cells, chip "
                f"'{self.chip.name}' has {n_macro}: use a chip with more macros or a smaller model"
            )
