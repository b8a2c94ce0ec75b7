"""Every setting of a wavefunction run; what is left open is chosen by the number of electrons."""

from dataclasses import dataclass, field, replace

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.tasks.wavefunction.evaluate import SAMPLES, Evaluation
from rgnn.tasks.wavefunction.streams import Size
from rgnn.tasks.wavefunction.system import Molecule
from rgnn.tasks.wavefunction.vmc import Training

_WIDTHS = ((2, 64), (4, 48))
_ITERATIONS = ((1, 60), (2, 100), (4, 200))
_ORBITALS = ((6, 5),)
_SAMPLES = ((2, 1200), (4, 400))


@dataclass(frozen=True)
class WavefunctionConfig:
    """Sizes, chip periphery, training and evaluation."""

    size: Size = field(default_factory=Size)
    determinants: int | None = None
    """Orbitals that a pair of electrons may occupy."""
    periphery: Periphery = field(default_factory=lambda: Periphery("exact"))
    training: Training = field(default_factory=Training)
    evaluation: Evaluation = field(default_factory=Evaluation)
    dtype: str = "float32"
    """Number type of walkers and chip; the natural gradient is always solved in float64."""

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be float32 or float64, got {self.dtype}")
        if self.determinants is not None and self.determinants < 1:
            raise InputError(f"determinants must be at least 1, got {self.determinants}")

    def resolved(self, molecule: Molecule) -> "WavefunctionConfig":
        """Return the configuration with every open setting chosen for `molecule`."""
        n = molecule.spins.count
        width = self.size.width or _up_to(n, _WIDTHS, 64)
        iterations = self.training.iterations or _up_to(n, _ITERATIONS, 200)
        samples = self.evaluation.samples or _up_to(n, _SAMPLES, SAMPLES)
        return replace(
            self,
            size=replace(self.size, width=width),
            determinants=self.determinants or _up_to(n, _ORBITALS, 1),
            training=replace(self.training, iterations=iterations),
            evaluation=replace(self.evaluation, samples=samples),
        )


def _up_to(n: int, table: tuple[tuple[int, int], ...], otherwise: int) -> int:
    return next((value for limit, value in table if n <= limit), otherwise)
