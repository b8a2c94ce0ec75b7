"""What a reservoir looks like: sizes, cutoffs, the decay that serves as prior."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from rgnn.core.errors import InputError
from rgnn.reservoir.receive import Kind, Receiver

Family = Literal["random", "complete"]


@dataclass(frozen=True)
class MessageConfig:
    """The message step: neighbours speak through a few scalars of their own surroundings.

    It is frozen and on the chip, or, where there are trained channels, trained beside it.
    """

    scalars: int = 0
    """Scalars an atom sends, read from its own invariants: 8, say; 0 leaves the step out. Frozen it
    gains about 5 % on molecules and nothing on the ionic glass, at twice the cost."""
    vectors: int = 0
    """Vectors an atom says beside them where messages are trained, so that neighbours hear where
    its surroundings are and not only what they are: 4, say."""
    source_width: int = 16
    """Products of two densities per degree that the scalars of a frozen step are read from."""
    kind: Kind = "plain"
    """How scalars are received: as they come, by attention, or gated as in the scalar layer of the
    original network."""
    cutoff: float = 4.0
    """Reach of a message [Å]."""
    n_radial: int = 6
    """Radial functions of the message density."""
    single_width: int = 24
    """Invariants that are a message density alone."""
    pair_width: int = 32
    """Two-factor products per degree whose last factor is a message density."""
    triple_width: int = 24
    """Three-factor products per path whose last factor is a message density."""

    @property
    def receiver(self) -> Receiver:
        """Return how an atom receives the scalars."""
        return Receiver(self.kind, self.scalars)

    def __post_init__(self) -> None:
        _require(0 <= self.scalars <= 64, f"message.scalars must lie in 0 … 64, got {self.scalars}")
        _require(0 <= self.vectors <= 64, f"message.vectors must lie in 0 … 64, got {self.vectors}")
        _require(1 <= self.cutoff <= 15, f"message.cutoff must lie in 1 … 15 Å, got {self.cutoff}")
        _require(2 <= self.n_radial <= 32, f"message.n_radial must lie in 2 … 32: {self.n_radial}")
        _require(self.kind in get_args(Kind), f"message.kind: one of {get_args(Kind)}")
        widths = (self.source_width, self.single_width, self.pair_width, self.triple_width)
        _require(0 <= min(widths) and max(widths) <= 4096, f"message widths {widths} are absurd")


@dataclass(frozen=True)
class TrainedConfig:
    """Products of trained channels, a small digital network beside the frozen one. With
    `message.scalars` it has a message step of its own, trained as well."""

    channels: int = 0
    """Channels of every degree, linear combinations of the neighbour densities whose numbers are
    trained: 24 … 32, say; 0 leaves them out. They carry without read noise what random products of
    stiff molecules lose on a noisy chip."""
    pair_width: int = 24
    """Products of two channels per degree."""
    triple_width: int = 40
    """Products of three channels per coupling path."""

    def __post_init__(self) -> None:
        _require(0 <= self.channels <= 256, f"trained.channels: 0 … 256, got {self.channels}")
        widths = (self.pair_width, self.triple_width)
        _require(0 <= min(widths) and max(widths) <= 4096, f"trained widths {widths} are absurd")
        _require(
            not self.channels or max(widths) > 0, "trained channels need products: raise a width"
        )


@dataclass(frozen=True)
class ReservoirConfig:
    """Sizes of the frozen network. Width is the main lever on accuracy."""

    cutoff: float = 5.0
    """Reach of the neighbour density [Å]."""
    n_radial: int = 8
    """Radial functions."""
    lmax: int = 3
    """Largest degree of the spherical harmonics."""
    coupled_lmax: int = 2
    """Largest intermediate degree in products of three densities."""
    single_width: int = 24
    """Invariants of body order two."""
    pair_width: int = 64
    """Products of two densities per degree (body order three)."""
    triple_width: int = 64
    """Products of three densities per coupling path (body order four)."""
    tilt: float = 0.0
    """How much wider paths of high degrees are than those of low ones, at the same mean: path
    (a, b, c) has a share of 1 + tilt (a + b + c). Choosing columns ends near 0.25, with few single
    ones and pairs."""
    skip_width: int = 0
    """Products of two densities per degree that go around the chip: digital, single channels, the
    smoothest first. They carry the stiff angles of molecules without read noise."""
    trained: TrainedConfig = field(default_factory=TrainedConfig)
    family: Family = "random"
    """Products of random mixtures read off the chip, or the complete symmetric basis (linear ACE)
    as a digital yardstick. With messages it is what the nodes know: scalars are random reads of
    its single densities and pairs, and what arrives is mixed on the chip."""
    candidates: int = 1
    """Random columns on the chip for every one the network keeps. With 2 or more the training data
    choose which are read: nearly the accuracy of the whole pool at the cost of the widths asked."""
    decay: float = 1.0
    """Radial function n enters with weight 1 / (1 + (n / decay)²)."""
    near: float = 0.0
    """Reach [Å] of a second set of radial functions, for the nearest neighbours: 2 for molecules of
    more than a dozen atoms, whose bonds and angles a product of densities over the whole cutoff
    blurs. 0 leaves it out. Twice the lines for the same columns."""
    far_weight: float = 0.3
    """Weight of the first set where there is a second."""
    whiten: float = 0.0
    """Brings the principal components of the neighbour densities to one size before they drive the
    chip, down to this share of the largest one's variance. 0.001 takes a tenth and more off the
    error of molecules on a chip with 2 % read noise, where small components drown beside large
    ones. 0 keeps their sizes: a prior that exact reads, glasses and liquids need."""
    activation_reads: int = 8
    """Reads of an activation that are averaged on a noisy chip."""
    derivative_reads: int = 1
    """The same for reads of derivatives: two per pair and degree, so many that repeating them
    decides what a force costs."""
    message: MessageConfig = field(default_factory=MessageConfig)

    @property
    def listens(self) -> bool:
        """Return whether there is a message step beside the chip, made of trained channels."""
        return bool(self.trained.channels and self.message.scalars)

    @property
    def n_function(self) -> int:
        """Return how many radial functions every element of the neighbours has."""
        return self.n_radial * (2 if self.near else 1)

    def __post_init__(self) -> None:
        _require(1.0 <= self.cutoff <= 15.0, f"cutoff must lie in 1 … 15 Å, got {self.cutoff}")
        _require(2 <= self.n_radial <= 32, f"n_radial must lie in 2 … 32, got {self.n_radial}")
        _require(0 <= self.near <= self.cutoff, f"near must lie in 0 … cutoff, got {self.near}")
        _require(0 <= self.far_weight <= 100, f"far_weight: 0 … 100, got {self.far_weight}")
        _require(0 <= self.whiten <= 1, f"whiten must lie in 0 … 1, got {self.whiten}")
        _require(
            not self.whiten or self.family == "random",
            "whitening is for what drives a chip, and the complete family is digital: set "
            "whiten=0 or family=random",
        )
        _require(0 <= self.lmax <= 6, f"lmax must lie in 0 … 6, got {self.lmax}")
        for name in ("activation_reads", "derivative_reads"):
            reads = getattr(self, name)
            _require(1 <= reads <= 1000, f"{name} must lie in 1 … 1000, got {reads}")
        _require(self.family in get_args(Family), f"family: one of {get_args(Family)}")
        _require(
            self.family == "random" or (self.candidates == 1 and self.skip_width == 0),
            "the complete family takes the smoothest products, all of them digital: set "
            "candidates=1 and skip_width=0",
        )
        _require(
            not self.trained.channels or self.family == "random",
            "trained channels stand beside random products: set trained.channels=0 or "
            "family=random",
        )
        _require(
            not self.trained.channels or self.message.kind == "plain",
            "trained messages are received as they come: set message.kind=plain or "
            "trained.channels=0",
        )
        _require(
            not self.message.vectors or (self.listens and self.lmax > 0),
            "vectors are said by trained messages, of densities of degree one: set "
            "message.vectors=0, or message.scalars=8, trained.channels=24 and lmax=3",
        )
        _require(1 <= self.candidates <= 16, f"candidates: 1 … 16, got {self.candidates}")
        _require(0 <= self.tilt <= 10, f"tilt must lie in 0 … 10, got {self.tilt}")
        _require(self.decay > 0, f"decay must be positive, got {self.decay}")
        widths = (self.single_width, self.pair_width, self.triple_width)
        _require(min(widths) >= 0 and max(widths) > 0, f"widths {widths} leave no features")
        _require(self.skip_width >= 0, f"skip_width must not be negative, got {self.skip_width}")
        _require(
            max(*widths, self.skip_width) <= 4096,
            f"widths {widths} are absurd: at most 4096 a path",
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
