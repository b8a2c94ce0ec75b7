"""A resistive-memory chip: macros of programmed cells and the law of their read noise.

`program` happens once, when the chip is sampled or measured: it fixes the conductances and with
them the frozen weights of every model built on the chip. `read` happens at every use and is
described by `noise`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.device import presets
from rgnn.device.noise import ReadNoise
from rgnn.device.wires import Wires

if TYPE_CHECKING:
    from rgnn.device.measured import Unit

Wiring = Literal["pairs", "shared"]
"""How cells make signed weights: disjoint `pairs` (g₂ₖ − g₂ₖ₊₁), or differences of neighbours
that `shared` a cell (gₖ₊₁ − gₖ), so that n + 1 cells give n weights."""


@dataclass(frozen=True, eq=False)
class Chip:
    """Programmed conductances [µS] of one or more macros, wired into signed weights.

    `conductance[m, r, c]` is the cell of macro `m` on word line `r` and bit line `c`.
    """

    conductance: Float[np.ndarray, "n_macro n_row n_column"]
    noise: ReadNoise = field(default_factory=ReadNoise)
    wiring: Wiring = "pairs"
    name: str = "unnamed"
    wires: Wires | None = None
    """None are ideal wires."""
    unit_weight: float | None = None
    """Difference of two cells [µS] that counts as weight 1; None: the spread of such differences.
    Kept when a chip ages or breaks, as the digital side keeps its scale."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def n_cells(self) -> int:
        """Return how many cells the chip has in all."""
        return self.conductance.size

    def with_noise(self, relative: float, additive: float = 0.0) -> "Chip":
        """Return the same cells with another read noise."""
        return replace(self, noise=ReadNoise(relative, additive))

    def with_wires(self, word_line: float = 1.0, bit_line: float = 1.0) -> "Chip":
        """Return the same cells behind wires of this resistance [Ω] per cell."""
        return replace(self, wires=Wires(word_line, bit_line))

    @staticmethod
    def sample(
        preset: str = presets.DEFAULT,
        *,
        seed: int = 0,
        macros: int = 1,
        read_noise: float | None = None,
        wiring: Wiring = "pairs",
    ) -> "Chip":
        """Return a chip drawn from a fitted distribution; `presets.names()` lists them.

        The first macros of a chip do not depend on how many are asked for.
        """
        law = presets.get(preset)
        if macros < 1:
            raise InputError(f"macros must be at least 1, got {macros}")
        streams = [np.random.default_rng([seed, m]) for m in range(macros)]
        cells = np.stack([law.program(rng) for rng in streams])
        noise = law.noise if read_noise is None else ReadNoise(read_noise)
        return Chip(cells, noise, wiring, f"{preset} (seed {seed})")

    @staticmethod
    def from_measurements(
        source: "str | Path | np.ndarray | Mapping[str, np.ndarray]",
        *,
        unit: "Unit | None" = None,
        array: str | None = None,
        repeats: bool | None = None,
    ) -> "Chip":
        """Return the chip behind a measured map (.npz, .npy, .csv, .txt, .mat, .pkl or arrays).

        Signed weights are traced back to the cells they share; read noise is fitted where reads
        were repeated. `measured.load` describes the options, `characterise` gives the full picture.
        """
        from rgnn.device import characterise, measured

        measurement = measured.load(source, unit=unit, array=array, repeats=repeats)
        return characterise.characterise(measurement).chip()

    def save(self, path: str | Path) -> None:
        """Write the chip to `path` (.npz, plain arrays only)."""
        from rgnn.device import archive

        archive.write(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "Chip":
        """Read a chip written by `save`, or any .npz with one 2-D or 3-D map in µS."""
        from rgnn.device import archive

        return archive.read(Path(path))


def weight_unit(chip: Chip) -> float:
    """Return the difference of two cells [µS] that counts as weight 1.

    Unless the chip says otherwise, the standard deviation of all differences it can form, so that
    weights have unit variance.
    """
    if chip.unit_weight is not None:
        return chip.unit_weight
    spread = float(chip.conductance.std())
    if spread == 0:
        raise InputError(f"chip '{chip.name}': all cells are equal, so every weight would be 0")
    return float(np.sqrt(2.0)) * spread


def _check(chip: Chip) -> None:
    """Refuse maps that no crossbar can be."""
    cells = chip.conductance
    if cells.size == 0:
        raise InputError(f"chip '{chip.name}': the conductance map is empty, shape {cells.shape}")
    bad = ~np.isfinite(cells)
    if bad.any():
        macro, row, column = np.argwhere(bad)[0]
        raise InputError(
            f"chip '{chip.name}': {bad.sum()} conductances are NaN or infinite, the first in macro "
            f"{macro}, row {row}, column {column}; replace them by 0 (an open cell)"
        )
    if cells.min() < 0:
        raise InputError(
            f"chip '{chip.name}': {np.sum(cells < 0)} conductances are negative (down to "
            f"{cells.min():.4g}); expected cell conductances in µS, not signed weights"
        )
    if cells.max() == 0:
        raise InputError(f"chip '{chip.name}': every conductance is 0; nothing can be computed")
    if chip.wiring not in get_args(Wiring):
        raise InputError(
            f"chip '{chip.name}': unknown wiring '{chip.wiring}'; use one of {get_args(Wiring)}"
        )
    if chip.noise.relative < 0 or chip.noise.additive < 0:
        raise InputError(f"chip '{chip.name}': read noise must not be negative")
