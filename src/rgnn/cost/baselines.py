"""The same operations on digital hardware, and what a published comparison must have assumed."""

from dataclasses import dataclass

from rgnn.core.errors import InputError
from rgnn.cost.count import Workload


@dataclass(frozen=True)
class Digital:
    """A digital machine: energy [pJ] and rate of one operation (half a multiply-accumulate)."""

    name: str
    picojoule_per_operation: float
    operations_per_second: float
    area_mm2: float | None
    basis: str

    def energy_pj(self, workload: Workload) -> float:
        """Return the energy [pJ] of all operations of `workload`."""
        return 2 * (workload.macs + workload.digital_macs) * self.picojoule_per_operation

    def latency_ns(self, workload: Workload) -> float:
        """Return the time [ns] of all operations of `workload`."""
        return 2e9 * (workload.macs + workload.digital_macs) / self.operations_per_second


PEAKS = (
    Digital("A100 fp16", 400 / 312, 312e12, 826.0, "vendor peak, 400 W, never reached"),
    Digital("A100 fp32", 400 / 19.5, 19.5e12, 826.0, "vendor peak, 400 W, never reached"),
    Digital("H100 bf16", 700 / 989, 989e12, None, "vendor peak, 700 W, never reached"),
    Digital("H100 fp32", 700 / 67, 67e12, None, "vendor peak, 700 W, never reached"),
    Digital("40-nm 8-bit units", 0.5, 2e11, 0.66, "1 pJ per MAC (Aladdin, scaled), 100 at 1 GHz"),
)


def measured(seconds: float, *, watts: float, workload: Workload) -> Digital:
    """Return this processor as timed: `seconds` of one core at `watts` for `workload`."""
    operations = 2 * (workload.macs + workload.digital_macs)
    return Digital(
        "this CPU, one core",
        seconds * watts * 1e12 / operations,
        operations / seconds,
        None,
        f"measured {1e3 * seconds:.3g} ms, {watts:g} W per core assumed",
    )


@dataclass(frozen=True)
class Claim:
    """A published gain over digital hardware, and the trained share of the weights behind it."""

    task: str
    speed: float
    """Area-normalised: (1/latency)/area over that of the digital hardware."""
    energy: float
    trained: int
    weights: int


PAPER = (
    Claim("force", 2.5, 2.7, 8_839, 97_471),
    Claim("Hamiltonian", 2.5, 1.9, 7_916, 93_260),
    Claim("wavefunction", 2.7, 4.4, 4_416, 123_968),
)
"""doi 10.1038/s43588-025-00844-3 (abstract); weights counted in its published code."""


def digital_share(gain: float, *, array_gain: float) -> float:
    """Return the share of the work that must stay digital for a total gain of `gain`.

    Amdahl: 1/gain = s + (1 − s)/array_gain, where the part in arrays is cheaper by `array_gain`.
    """
    if not 1 < gain <= array_gain:
        raise InputError(
            f"a total gain of {gain} cannot come from arrays that gain {array_gain:.3g}"
        )
    return (1 / gain - 1 / array_gain) / (1 - 1 / array_gain)


def training_saved(claim: Claim) -> float:
    """Return the share of the weights that are never trained."""
    return 1 - claim.trained / claim.weights
