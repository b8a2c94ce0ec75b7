"""Everything a force fit can be told."""

from dataclasses import dataclass, field
from typing import Literal

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.readout.ridge import RidgeConfig
from rgnn.reservoir.config import ReservoirConfig


@dataclass(frozen=True)
class UncertaintyConfig:
    """How error bars are made."""

    samples: int = 16
    """Readouts drawn from the posterior; their spread is the error bar. 0 switches it off."""
    left_out: int = 24
    """Training frames left out in turn, in closed form, to calibrate the error bars."""


@dataclass(frozen=True)
class ForceConfig:
    """A force field: the frozen network, the rung it runs on, and how its readout is trained."""

    reservoir: ReservoirConfig = field(default_factory=ReservoirConfig)
    periphery: Periphery = field(default_factory=Periphery)
    ridge: RidgeConfig = field(default_factory=RidgeConfig)
    uncertainty: UncertaintyConfig = field(default_factory=UncertaintyConfig)
    reads: int = 2
    """Reads of every training frame on a noisy chip; the Gram matrix averages over them and so
    holds the covariance that read noise puts on the features."""
    use_stress: bool = True
    """Fit stress where the frames carry it."""
    precision: Literal["float32", "float64"] = "float32"
    """Arithmetic of the features; sums and solves are always float64."""

    def __post_init__(self) -> None:
        if not 1 <= self.reads <= 100:
            raise InputError(f"reads must lie in 1 … 100, got {self.reads}")
        if not 0 <= self.uncertainty.samples <= 1024:
            raise InputError(f"uncertainty.samples must lie in 0 … 1024, got {self.uncertainty}")
