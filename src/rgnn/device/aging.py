"""How programmed cells miss their target, and how they drift and relax afterwards.

Every law is a published fit of σ or of an exponent against the relative conductance x = G / G_max.
Conductances never become negative: the laws are cut at 0, as their sources do.
"""

import abc
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.polynomial import polynomial

from rgnn.core.errors import InputError

BOLTZMANN_EV_PER_K = 8.617333262e-5
Cells = Float[np.ndarray, "..."]


class AbstractTechnology(abc.ABC):
    """Write-and-verify of a target, and the state some time later."""

    g_max: float
    """Full-scale conductance [µS]."""

    @abc.abstractmethod
    def program(self, target: Cells, rng: np.random.Generator) -> Cells:
        """Return the conductances [µS] right after programming `target` [µS]."""

    @abc.abstractmethod
    def aged(self, cells: Cells, seconds: float, rng: np.random.Generator) -> Cells:
        """Return what `cells` [µS], as programmed, have become `seconds` later."""


@dataclass(frozen=True)
class PhaseChange(AbstractTechnology):
    """Phase-change memory: programming error, and drift as a power law of time.

    G(t) = G₀ (1 + t/t₀)^−ν with ν normal around a mean that falls with ln x, then 1/f read noise
    σ = G Q √ln((t + t₀ + t_r)/2t_r). Constants: aihwkit `PCMLikeNoiseModel` (MIT), fitted to one
    million devices (doi 10.1109/ted.2019.2917762 and 10.1038/s41467-020-16108-9).
    """

    g_max: float = 25.0
    programming: tuple[float, ...] = (0.26348, 1.9650, -1.1731)
    t_0: float = 20.0
    t_read: float = 250e-9

    def program(self, target: Cells, rng: np.random.Generator) -> Cells:
        sigma = np.maximum(polynomial.polyval(target / self.g_max, self.programming), 0)
        return np.maximum(target + sigma * rng.standard_normal(target.shape), 0)

    def aged(self, cells: Cells, seconds: float, rng: np.random.Generator) -> Cells:
        drifted = self.drifted(cells, seconds, rng)
        x = np.maximum(cells / self.g_max, 1e-12)
        flicker = np.minimum(0.0088 / x**0.65, 0.2)
        t = seconds + self.t_0
        sigma = drifted * flicker * np.sqrt(np.log((t + self.t_read) / (2 * self.t_read)))
        return np.maximum(drifted + sigma * rng.standard_normal(cells.shape), 0)

    def drifted(self, cells: Cells, seconds: float, rng: np.random.Generator) -> Cells:
        """Return the conductances without the read noise on top."""
        log_x = np.log(np.maximum(cells / self.g_max, 1e-12))
        mean = np.clip(-0.0155 * log_x + 0.0244, 0.049, 0.1)
        spread = np.clip(-0.0125 * log_x - 0.0059, 0.008, 0.045)
        exponent = np.abs(mean + spread * rng.standard_normal(cells.shape))
        return cells * (1 + seconds / self.t_0) ** -exponent


@dataclass(frozen=True)
class Relaxation(AbstractTechnology):
    """Filamentary memory whose spread around the target grows with time, its mean staying put.

    `spread` holds σ(x) [µS] as polynomials at `times` [s]; between them σ² is linear in ln t, after
    the last it stays. The law is that of the state at one time, not of a path through many.
    """

    g_max: float
    times: tuple[float, ...]
    spread: tuple[tuple[float, ...], ...]

    def program(self, target: Cells, rng: np.random.Generator) -> Cells:
        sigma = self.std(target, self.times[0])
        return np.maximum(target + sigma * rng.standard_normal(target.shape), 0)

    def aged(self, cells: Cells, seconds: float, rng: np.random.Generator) -> Cells:
        # Cells already carry the spread of programming: only what is gained since is added.
        gained = self.std(cells, seconds) ** 2 - self.std(cells, self.times[0]) ** 2
        sigma = np.sqrt(np.maximum(gained, 0))
        return np.maximum(cells + sigma * rng.standard_normal(cells.shape), 0)

    def std(self, cells: Cells, seconds: float) -> Cells:
        """Return σ [µS] around the target `seconds` after programming."""
        x = np.clip(cells / self.g_max, 0, 1)
        variance = np.stack([np.maximum(polynomial.polyval(x, c), 0) ** 2 for c in self.spread])
        log_t = np.log(max(seconds, self.times[0]))
        weights = [np.interp(log_t, np.log(self.times), row) for row in np.eye(len(self.times))]
        return np.sqrt(np.tensordot(weights, variance, axes=1))


@dataclass(frozen=True)
class LogDrift(AbstractTechnology):
    """CMO/HfOₓ memory: mean and spread move with ln t, whatever the conductance.

    ΔG = −0.0890 ln t, σ = 0.0420 ln t + 0.412 µS (t in s) after closed-loop programming with σ
    linear in G (arXiv 2502.04524; constants from aihwkit `ReRamCMONoiseModel`, MIT).
    """

    g_max: float = 90.0
    programming: tuple[float, ...] = (0.0112, 0.0113)
    shift: float = -0.0890
    spread: tuple[float, float] = (0.412, 0.0420)

    def program(self, target: Cells, rng: np.random.Generator) -> Cells:
        sigma = polynomial.polyval(target, self.programming)
        return np.maximum(target + sigma * rng.standard_normal(target.shape), 0)

    def aged(self, cells: Cells, seconds: float, rng: np.random.Generator) -> Cells:
        log_t = np.log(max(seconds, 1.0))
        sigma = self.spread[0] + self.spread[1] * log_t
        moved = cells + self.shift * log_t + sigma * rng.standard_normal(cells.shape)
        return np.where(cells > 0, np.maximum(moved, 0), 0)


WAN_2022 = Relaxation(
    40.0,
    (1.0, 86400.0, 172800.0),
    (
        (0.348, 16.030, -43.853, 45.393, -16.815),
        (0.701, 22.086, -50.773, 47.095, -16.458),
        (0.782, 20.274, -43.507, 37.062, -11.934),
    ),
)
"""NeuRRAM (doi 10.1038/s41586-022-04992-8); fit of aihwkit `ReRamWan2022NoiseModel` (MIT)."""

MILO_2021 = Relaxation(225.0, (1.0,), ((4.782, -0.009107 * 225.0),))
"""HfO₂, 50–225 µS, after incremental programming (IRPS 2021); fit of CrossSim (BSD-3)."""

TECHNOLOGIES: dict[str, AbstractTechnology] = {
    "pcm": PhaseChange(),
    "wan-2022": WAN_2022,
    "milo-2021": MILO_2021,
    "cmo-hfox": LogDrift(),
}


def technology(name: str) -> AbstractTechnology:
    """Return the technology called `name`."""
    if name not in TECHNOLOGIES:
        raise InputError(f"unknown technology '{name}'; known: {', '.join(sorted(TECHNOLOGIES))}")
    return TECHNOLOGIES[name]


def equivalent_seconds(
    seconds: float, *, kelvin: float, activation_energy: float, reference_kelvin: float = 300.0
) -> float:
    """Return the time at `reference_kelvin` that ages as much as `seconds` at `kelvin`.

    Arrhenius: t exp[E_a/k (1/T₀ − 1/T)], E_a in eV. It differs between materials and must be given.
    """
    if kelvin <= 0 or reference_kelvin <= 0:
        raise InputError(f"temperatures must be positive, got {kelvin} K")
    difference = 1 / reference_kelvin - 1 / kelvin
    return seconds * float(np.exp(activation_energy / BOLTZMANN_EV_PER_K * difference))
