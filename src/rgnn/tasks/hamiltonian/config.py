"""What a Hamiltonian model looks like: reach, sizes, readout."""

from dataclasses import dataclass, field

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery


@dataclass(frozen=True)
class DensityConfig:
    """Expansion of the atoms around a point in radial functions and harmonics."""

    cutoff: float = 6.0
    """Reach [Å]."""
    n_radial: int = 10
    """Radial functions."""
    lmax: int = 4
    """Largest degree of the harmonics."""

    def __post_init__(self) -> None:
        _require(1.0 <= self.cutoff <= 20.0, f"cutoff must lie in 1 … 20 Å, got {self.cutoff}")
        _require(1 <= self.n_radial <= 32, f"n_radial must lie in 1 … 32, got {self.n_radial}")
        _require(0 <= self.lmax <= 10, f"lmax must lie in 0 … 10, got {self.lmax}")


@dataclass(frozen=True)
class MessageConfig:
    """What atoms tell their neighbours: scalars mixed on the chip from their surroundings."""

    sources: int = 8
    """Scalars each atom emits."""
    cutoff: float = 2.5
    """Reach [Å]: bonded neighbours, so that nothing farther than around an atom is learnt from."""
    n_radial: int = 2
    """Radial functions with which they arrive."""

    def __post_init__(self) -> None:
        _require(self.sources >= 1, f"sources must be at least 1, got {self.sources}")


@dataclass(frozen=True)
class BondConfig:
    """The frozen network that looks at a bond, and its readout along the distance."""

    linear: int = 160
    """Channels mixed from the densities, for each |m| and swap sign; never more than there are."""
    products: int = 192
    """Products of two mixed densities for each pair of |m|."""
    mixed: int = 80
    """Channels mixed from all products, for each |m| and swap sign."""
    product_m: int = 3
    """Largest |m| of a factor."""
    knots: int = 6
    """Intervals of the distance on which readout weights vary linearly."""
    two_centre_knots: int = 30
    """Intervals for the part that depends on the distance alone (Slater–Koster)."""


@dataclass(frozen=True)
class AtomConfig:
    """The frozen network that looks at an atom, for the on-site blocks."""

    linear: int = 48
    """Channels mixed from the density of each degree; never more than there are."""
    products: int = 64
    """Products of two mixed densities for each pair of degrees."""
    mixed: int = 96
    """Channels mixed from all products of each degree."""


@dataclass(frozen=True)
class ReadoutConfig:
    """How the trained weights are found."""

    alphas: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
    """Ridge strengths to choose from, relative to the mean of the Gram diagonal."""
    folds: int = 4
    """Parts the frames are dealt into to choose them."""
    two_centre: float = 1.0
    """Strength for on-site means and for what depends on the distance alone, relative to that for
    linear channels; small where every distance between bonds that are learnt occurs in training."""
    products: float = 1.0
    """Strength for products of two densities, relative to that for linear channels."""

    def __post_init__(self) -> None:
        for name in ("two_centre", "products"):
            found = getattr(self, name)
            _require(1e-8 <= found <= 1e8, f"{name} must lie in 1e-8 … 1e8, got {found}")
        _require(len(self.alphas) > 0 and min(self.alphas) > 0, "alphas must be positive")
        _require(self.folds >= 2, f"folds must be at least 2, got {self.folds}")


@dataclass(frozen=True)
class HamiltonianConfig:
    """Everything that defines a model besides its data, its chip and its seed."""

    around_atom: DensityConfig = field(default_factory=lambda: DensityConfig(6.0, 10, 4))
    """Surroundings of an atom as the ends of bonds and the linear on-site channels see them."""
    near_atom: DensityConfig = field(default_factory=lambda: DensityConfig(4.0, 4, 4))
    """Surroundings of an atom that enter the products of the on-site network."""
    around_bond: DensityConfig = field(default_factory=lambda: DensityConfig(lmax=6))
    """Surroundings of the middle of a bond."""
    message: MessageConfig = field(default_factory=MessageConfig)
    bond: BondConfig = field(default_factory=BondConfig)
    atom: AtomConfig = field(default_factory=AtomConfig)
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    periphery: Periphery = field(default_factory=lambda: Periphery(rung="exact"))
    limit: float = 5.0
    """Range of densities and states as inputs of the chip, in units of their spread over the
    training frames; beyond it, quantised inputs are clipped."""
    product_limit: float = 12.0
    """Range of products of two mixtures as inputs, which have longer tails."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
