"""Distributions of cell conductance fitted to published chips; each value names its source."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.device.noise import ReadNoise

MACRO_ROWS = 512
MACRO_COLUMNS = 512
"""A 256-kb macro (doi 10.1038/s43588-025-00844-3)."""

DEFAULT = "rram-40nm"


@dataclass(frozen=True)
class Preset:
    """A law from which the cells of one macro are drawn, and the noise of a read."""

    draw: Callable[[np.random.Generator, tuple[int, int]], Float[np.ndarray, "..."]]
    noise: ReadNoise
    source: str

    def program(self, rng: np.random.Generator) -> Float[np.ndarray, "n_row n_column"]:
        """Return the conductances [µS] of one freshly programmed macro."""
        return self.draw(rng, (MACRO_ROWS, MACRO_COLUMNS))


def _stochastically_formed(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    formed: float,
    mean: float,
    spread: float,
) -> Float[np.ndarray, "..."]:
    """Return cells of which a fraction `formed` broke down; the others stay open."""
    sigma = np.sqrt(np.log1p(spread**2))
    broken = rng.random(shape) < formed
    return broken * mean * np.exp(sigma * rng.standard_normal(shape) - sigma**2 / 2)


def _fully_formed(
    rng: np.random.Generator, shape: tuple[int, int], *, mean: float, spread: float
) -> Float[np.ndarray, "..."]:
    return _stochastically_formed(rng, shape, formed=1.0, mean=mean, spread=spread)


_PRESETS = {
    "rram-40nm": Preset(
        lambda rng, shape: _stochastically_formed(rng, shape, formed=0.49, mean=12.3, spread=0.145),
        ReadNoise(relative=0.02),
        "40-nm random array, half of the cells broken down: 49 % conducting, 12.3 µS, relative "
        "standard deviation 0.14–0.15 (doi 10.1038/s42256-023-00609-5, measured map). Read noise "
        "2 %: an assumption, no repeated reads are published",
    ),
    "rram-formed": Preset(
        lambda rng, shape: _fully_formed(rng, shape, mean=126.0, spread=0.295),
        ReadNoise(relative=0.02),
        "fully formed 1T1R array: 122–131 µS, relative standard deviation 0.29–0.30. Read noise "
        "2 %: an assumption",
    ),
}


def names() -> list[str]:
    """Return the names `Chip.sample` knows."""
    return sorted(_PRESETS)


def get(name: str) -> Preset:
    """Return the preset called `name`."""
    if name not in _PRESETS:
        raise InputError(f"unknown chip preset '{name}'; known: {', '.join(names())}")
    return _PRESETS[name]
