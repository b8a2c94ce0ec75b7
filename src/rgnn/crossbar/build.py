"""Cut the matrices a model needs out of a chip and put them on a rung of the ladder."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.core.errors import InputError
from rgnn.crossbar.array import Crossbar
from rgnn.crossbar.converter import Style
from rgnn.crossbar.matvec import AbstractMatVec, Exact, Quantised
from rgnn.crossbar.tiled import Tiled
from rgnn.crossbar.wires import effective_matrix
from rgnn.crossbar.wiring import signed
from rgnn.device.chip import Chip, weight_unit

Strip = tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]
"""Conductances [µS] and the standard deviations of one read."""

Rung = Literal["exact", "quantised", "crossbar"]


@dataclass(frozen=True)
class Periphery:
    """Which rung to stand on, and its converters."""

    rung: Rung = "crossbar"
    bits: int = 8
    """Bits of an input, sign included."""
    adc_bits: int | None = 12
    """Bits of the output converter; None is ideal."""
    slice_bits: int = 1
    """Bits that one pulse carries; 1 is bit-serial. Every pulse is a read of its own."""
    curvature: float = 0.0
    """κ of the cells' I–V curve, sinh(κ V/V_read)/sinh(κ); 0 is Ohm's law. It shows in pulses of
    several bits only. With resistive wires their network is still taken as linear."""
    adc_at: Literal["end", "plane"] = "end"
    """Whether the converter sees the shifted and added pulses, or every pulse."""
    adc_style: Style = "tread"
    """Mid-tread converters have a code for 0; mid-rise ones have one level more."""
    adc_range: float = 4.0
    """Range of the output converter, in units of the largest row norm of the weights: 4 holds what
    full drive of all lines gives. Smaller ranges have finer steps and clip what is larger."""
    adc_gain_error: float = 0.0
    """Standard deviation of the columns' relative gain errors."""
    adc_offset_error: float = 0.0
    """Standard deviation of the columns' offsets, in units of the converter's range."""
    arithmetic: Literal["full", "half"] = "full"
    """Precision of products: `half` keeps 8 significant bits of every conductance (off by 0.2 % at
    most, which is less than measurements of cells are) and takes half the time."""

    def __post_init__(self) -> None:
        if self.rung not in get_args(Rung):
            raise InputError(f"unknown rung '{self.rung}'; use exact, quantised or crossbar")
        if not 2 <= self.bits <= 16:
            raise InputError(f"input bits must be between 2 and 16, got {self.bits}")
        if self.adc_bits is not None and not 2 <= self.adc_bits <= 24:
            raise InputError(f"ADC bits must be between 2 and 24, got {self.adc_bits}")
        if not 1 <= self.slice_bits < self.bits:
            raise InputError(
                f"a pulse must carry between 1 and {self.bits - 1} bits, got {self.slice_bits}"
            )
        if not 0 <= self.curvature <= 20:
            raise InputError(f"the curvature must lie between 0 and 20, got {self.curvature}")
        if self.adc_at not in ("end", "plane") or self.adc_style not in get_args(Style):
            raise InputError(
                "the converter stands at the 'end' or at every 'plane' and is mid-'tread' or "
                f"mid-'rise', got '{self.adc_at}' and '{self.adc_style}'"
            )
        if self.arithmetic not in ("full", "half"):
            raise InputError(f"arithmetic is 'full' or 'half', got '{self.arithmetic}'")
        if not 0 < self.adc_range < np.inf:
            raise InputError(
                f"the range of the output converter must be positive, got {self.adc_range}: a "
                "range of 0 reads nothing"
            )
        if self.adc_gain_error < 0 or self.adc_offset_error < 0:
            raise InputError("gain and offset errors are standard deviations: not negative")


@dataclass(frozen=True, eq=False)
class Block:
    """The cells behind one matrix: for every tile of inputs, lines × word lines."""

    tiles: tuple[Strip, ...]
    """One per strip of word lines; more than one where a macro has too few rows."""
    gain: float
    wiring: str

    @property
    def cells(self) -> Float[np.ndarray, "n_line n_row"]:
        """Return the conductances [µS] of all tiles side by side."""
        return np.concatenate([cells for cells, _ in self.tiles], axis=1)

    @property
    def cell_std(self) -> Float[np.ndarray, "n_line n_row"]:
        """Return the standard deviations [µS] of one read."""
        return np.concatenate([cell_std for _, cell_std in self.tiles], axis=1)

    @property
    def weight(self) -> Float[np.ndarray, "n_out n_in"]:
        """Return the dimensionless matrix; its entries have unit variance over the chip."""
        parts = [signed(cells, wiring=self.wiring) for cells, _ in self.tiles]
        return self.gain * np.concatenate(parts, axis=1)


def cut(chip: Chip, shapes: Sequence[tuple[int, int]]) -> list[Block]:
    """Return one block of cells for every (n_out, n_in), none of them used twice.

    A matrix with n_in inputs lies on shelves of n_in word lines (n_in + 1 where neighbours share a
    cell) and continues on the next shelf or macro where one is full. A matrix with more inputs
    than a macro has rows is split into tiles, whose partial sums add up digitally.
    """
    shelves = _Shelves(chip)
    gain = 1.0 / weight_unit(chip)
    blocks = []
    for n_out, n_in in shapes:
        blocks.append(Block(shelves.take(n_out, n_in), gain, chip.wiring))
    shelves.check()
    return blocks


def read_strip(chip: Chip, macro: int, first: int, height: int) -> Strip:
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
    tiles = [
        _array(replace(block, tiles=(tile,)), periphery, cast(limit), dtype) for tile in block.tiles
    ]
    if len(tiles) == 1:
        return tiles[0]
    ends = np.cumsum([tile.weight.shape[1] for tile in tiles]).tolist()
    return Tiled(tiles=tuple(tiles), starts=(0, *ends))  # pyright: ignore[reportCallIssue]


def _array(block: Block, periphery: Periphery, limit: Array, dtype: str) -> Crossbar:
    """Return the array of a block of one tile."""
    fluctuates = bool(block.cell_std.any())
    if periphery.curvature and periphery.slice_bits > 1 and block.wiring == "shared":
        raise InputError(
            "shared cells see differences of two inputs, up to twice the read voltage, where their "
            "curve is not known: use pairs, pulses of one bit or curvature 0"
        )
    full_range = periphery.adc_range * largest_norm(block.weight)
    errors = _converter_errors(block, periphery, full_range, dtype)
    return Crossbar(  # pyright: ignore[reportCallIssue]  (weight is a property)
        cells=jnp.asarray(block.cells, dtype),
        cell_std=jnp.asarray(block.cell_std, dtype) if fluctuates else None,
        gain=jnp.asarray(block.gain, dtype),
        limit=limit,
        adc_limit=jnp.asarray(full_range, dtype),
        wiring=block.wiring,
        bits=periphery.bits,
        slice_bits=periphery.slice_bits,
        # A pulse of one bit is the read voltage or none.
        curvature=periphery.curvature if periphery.slice_bits > 1 else 0.0,
        adc_bits=periphery.adc_bits,
        adc_at=periphery.adc_at,
        adc_style=periphery.adc_style,
        noisy=fluctuates or periphery.adc_bits is not None,
        half=periphery.arithmetic == "half",
        adc_gain=errors.get("gain"),
        adc_offset=errors.get("offset"),
    )


def _converter_errors(
    block: Block, periphery: Periphery, full_range: float, dtype: str
) -> dict[str, Array]:
    """Return gain and offset errors of the columns' converters, fixed by the cells before them."""
    rng = np.random.default_rng(zlib.crc32(block.cells.tobytes()))
    gain, offset = rng.standard_normal((2, len(block.weight)))
    errors = {}
    if periphery.adc_gain_error:
        errors["gain"] = jnp.asarray(periphery.adc_gain_error * gain, dtype)
    if periphery.adc_offset_error:
        errors["offset"] = jnp.asarray(periphery.adc_offset_error * full_range * offset, dtype)
    return errors


def largest_norm(weight: Float[np.ndarray, "n_out n_in"]) -> float:
    """Return the largest row norm, which the converter's range is counted in.

    An array whose cells are all open gets 1: it reads 0 whatever the range.
    """
    return float(np.sqrt(np.square(weight).sum(axis=1).max())) or 1.0


class _Shelves:
    """Hands out cells shelf by shelf (a shelf is a strip of word lines) and counts the missing."""

    def __init__(self, chip: Chip):
        self.chip = chip
        self.open: dict[int, tuple[Strip, int]] = {}  # height → shelf and its next free column
        self.used: list[int] = []  # word lines taken in every macro opened so far

    def take(self, n_out: int, n_in: int) -> tuple[Strip, ...]:
        """Return the cells of a matrix and their noise, lines × word lines, tile by tile."""
        shared = self.chip.wiring == "shared"
        extra, n_line = (1, n_out) if shared else (0, 2 * n_out)
        room = self.chip.conductance.shape[1] - extra
        tiles = []
        for start in range(0, n_in, room):
            cells, cell_std = self._lines(min(room, n_in - start) + extra, n_line)
            tiles.append((cells.T, cell_std.T))
        return tuple(tiles)

    def _lines(self, height: int, count: int) -> Strip:
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
        return _side_by_side(pieces)

    def _shelf(self, height: int) -> Strip:
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


def _side_by_side(pieces: Sequence[tuple[np.ndarray, np.ndarray]]) -> Strip:
    cells, cell_std = zip(*pieces, strict=True)
    return np.concatenate(cells, axis=1), np.concatenate(cell_std, axis=1)


def macros_needed(chip: Chip, shapes: Sequence[tuple[int, int]]) -> int:
    """Return how many macros like those of `chip` hold matrices of the given (n_out, n_in)."""
    shelves = _Shelves(chip)
    for n_out, n_in in shapes:
        shelves.take(n_out, n_in)
    return len(shelves.used)
