"""Everything a force fit can be told."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.readout.ridge import RidgeConfig
from rgnn.reservoir.config import ReservoirConfig


@dataclass(frozen=True)
class UncertaintyConfig:
    """How error bars are made."""

    samples: int = 16
    """Readouts drawn from the posterior; their spread is the error bar. 0 switches it off."""
    groups: int = 4
    """Groups of training frames left out in turn, in closed form, to set the strength of the prior
    and to calibrate the error bars. 0 leaves both to the evidence alone."""
    group_by: str = ""
    """What frames of a group share: a key of their info (`melt`, `config_type`). Empty: groups are
    runs of neighbouring frames, so that a frame is not judged by the next of its trajectory."""
    group_rows: int = 2000
    """Most force components in a group, on a noisy chip those of all reads; longer groups are
    cut."""


@dataclass(frozen=True)
class BaselineConfig:
    """A semi-empirical method under the network, which learns only what that method misses."""

    method: Literal["none", "GFN1-xTB", "GFN2-xTB"] = "none"
    """Energies, forces and stress are those of this method plus those of the network, in training
    and ever after. Halves the error for molecules; costs 0.2 … 1 ms an atom on one thread, and for
    periodic cells of some fifty atoms seconds a frame. Needs `pip install 'rgnn[xtb]'`."""
    scale: float = 1.0
    """Factor on all that the method says; 0 takes the one that leaves least of the training
    forces (1.03 … 1.12 for acetylacetone, 3BPA and a PBE glass)."""
    charge: float = 0.0
    """Charge of every structure in electron charges."""
    unpaired: int = 0
    """Unpaired electrons of every structure; 0 leaves one where their number is odd."""
    temperature: float = 300.0
    """Temperature of the electrons [K]; a higher one may help to converge."""
    accuracy: float = 1.0
    """Tolerance of the charges in units of tblite's; forces err by up to 0.3 meV/Å times this."""

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= 10:
            raise InputError(f"baseline.scale must lie in 0 … 10, got {self.scale}")
        if not -100 <= self.charge <= 100:
            raise InputError(f"baseline.charge must lie in -100 … 100, got {self.charge}")
        if not 0 <= self.unpaired <= 100:
            raise InputError(f"baseline.unpaired must lie in 0 … 100, got {self.unpaired}")
        if not 0 <= self.temperature <= 20_000:
            raise InputError(f"baseline.temperature: 0 … 20000 K, got {self.temperature}")
        if not 1e-4 <= self.accuracy <= 1000:
            raise InputError(f"baseline.accuracy: 0.0001 … 1000, got {self.accuracy}")


@dataclass(frozen=True)
class LearningConfig:
    """How digital numbers are learnt along the derivative of the error that halves of the training
    data make on each other, each step after solving for the readout again."""

    name: ClassVar[str] = "channels"

    steps: int = 25
    """Steps. 0 leaves trained channels random."""
    rate: float = 0.1
    """Largest change of an entry in the first step; the steps shrink to nothing."""
    features: int = 64
    """Random invariants of the network they are learnt beside: the first ones of every kind,
    noise-free."""
    rows: int = 40_000
    """About as many force components a step is taken from; more frames than that take turns."""

    def __post_init__(self) -> None:
        if not 0 <= self.steps <= 1000:
            raise InputError(f"{self.name}.steps must lie in 0 … 1000, got {self.steps}")
        if not 0 < self.rate <= 1:
            raise InputError(f"{self.name}.rate must lie in 0 … 1, got {self.rate}")
        if self.features < 1 or self.rows < 3:
            raise InputError(f"{self.name}: at least 1 feature and 3 rows, got {self}")


@dataclass(frozen=True)
class RadialConfig(LearningConfig):
    """Radial functions learnt from the training data, one set for every degree and element."""

    name: ClassVar[str] = "radial"

    steps: int = 0
    """Steps. 0 takes the functions as they come; 25 take a quarter off the force error of a narrow
    network of a molecule, a tenth or less off a wide one's. A fit with a prior model takes that
    model's functions instead."""
    rate: float = 0.03
    """Largest change of an entry in the first step; the steps shrink to nothing."""
    features: int = 640
    """Invariants of the network they are learnt on: the first ones of every kind, noise-free."""


@dataclass(frozen=True)
class GateConfig:
    """The trained last layer: a scalar per atom that gates a second readout."""

    rounds: int = 0
    """Alternating least-squares solutions for the readout behind the gate; 0 leaves the readout
    linear. 1 gains most of what there is and 2 almost all, a tenth (wide networks) to a third
    (narrow ones) of the force error, at the same cost of inference and up to five times that of
    training."""

    def __post_init__(self) -> None:
        if not 0 <= self.rounds <= 20:
            raise InputError(f"gate.rounds must lie in 0 … 20, got {self.rounds}")


@dataclass(frozen=True)
class ForceConfig:
    """A force field: the frozen network, the rung it runs on, and how its readout is trained."""

    reservoir: ReservoirConfig = field(default_factory=ReservoirConfig)
    periphery: Periphery = field(default_factory=Periphery)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    ridge: RidgeConfig = field(default_factory=RidgeConfig)
    radial: RadialConfig = field(default_factory=RadialConfig)
    channels: LearningConfig = field(default_factory=LearningConfig)
    gate: GateConfig = field(default_factory=GateConfig)
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
        if self.gate.rounds and self.reservoir.message.scalars:
            raise InputError("a gated readout needs a network without messages: message.scalars=0")
        if self.radial.steps and self.reservoir.message.scalars:
            raise InputError("radial functions are learnt without messages only: message.scalars=0")
        if self.radial.steps and self.reservoir.trained.channels:
            raise InputError(
                "learn radial functions or trained channels, which hold them: set radial.steps=0 "
                "or reservoir.trained.channels=0"
            )
        if not 0 <= self.uncertainty.samples <= 1024:
            raise InputError(f"uncertainty.samples must lie in 0 … 1024, got {self.uncertainty}")
        if not (0 <= self.uncertainty.groups <= 100 and self.uncertainty.group_rows >= 3):
            raise InputError(f"uncertainty: groups 0 … 100 of at least 3 rows: {self.uncertainty}")
