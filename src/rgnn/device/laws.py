"""Distributions of cell conductance, fitted by maximum likelihood and compared by it.

Formed filaments are right-skewed: log-normal when the filament's width varies as a product of
many factors, log-logistic with its heavier tail for HfO₂ (doi 10.1016/j.mssp.2025.109668), normal
for cells tuned by write-and-verify, a mixture of two log-normals when some filaments formed in
another way than the rest. Arrays in which only part of the cells broke down are a mixture of one of
these with open cells.
"""

import abc
from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Float

from rgnn.core.errors import InputError


class AbstractLaw(abc.ABC):
    """A distribution of conductance [µS] that can be drawn from and scored."""

    @abc.abstractmethod
    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        """Return conductances [µS], never negative."""

    @abc.abstractmethod
    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        """Return Σ ln p(cell)."""

    @property
    @abc.abstractmethod
    def parameters(self) -> dict[str, float]:
        """Return the fitted numbers by name."""


@dataclass(frozen=True)
class Uniform(AbstractLaw):
    """Conductances spread evenly from `low` to `high` [µS], as random targets are."""

    low: float
    high: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        return rng.uniform(self.low, self.high, shape)

    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        return float(scipy.stats.uniform.logpdf(cells, self.low, self.high - self.low).sum())

    @property
    def parameters(self) -> dict[str, float]:
        return {"low_uS": self.low, "high_uS": self.high}


@dataclass(frozen=True)
class Normal(AbstractLaw):
    """Gaussian conductances, cut at 0."""

    mean: float
    std: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        return np.maximum(self.mean + self.std * rng.standard_normal(shape), 0)

    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        return float(scipy.stats.norm.logpdf(cells, self.mean, self.std).sum())

    @property
    def parameters(self) -> dict[str, float]:
        return {"mean_uS": self.mean, "std_uS": self.std}


@dataclass(frozen=True)
class LogNormal(AbstractLaw):
    """Log-normal conductances with this mean [µS] and relative standard deviation."""

    mean: float
    spread: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        sigma = self.sigma
        return self.mean * np.exp(sigma * rng.standard_normal(shape) - sigma**2 / 2)

    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        return float(self.log_density(cells).sum())

    def log_density(self, cells: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return ln p of every cell."""
        median = self.mean * np.exp(-(self.sigma**2) / 2)
        return scipy.stats.lognorm.logpdf(cells, self.sigma, scale=median)

    @property
    def sigma(self) -> float:
        """Return the standard deviation of ln G."""
        return float(np.sqrt(np.log1p(self.spread**2)))

    @property
    def parameters(self) -> dict[str, float]:
        return {"mean_uS": self.mean, "relative_std": self.spread}


@dataclass(frozen=True)
class LogLogistic(AbstractLaw):
    """Log-logistic conductances: median [µS] and shape (the exponent of the tail)."""

    median: float
    shape: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        u = rng.random(shape)
        return self.median * (u / (1 - u)) ** (1 / self.shape)

    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        return float(scipy.stats.fisk.logpdf(cells, self.shape, scale=self.median).sum())

    @property
    def parameters(self) -> dict[str, float]:
        return {"median_uS": self.median, "tail_exponent": self.shape}


@dataclass(frozen=True)
class Mixture(AbstractLaw):
    """Log-normal conductances of two kinds of cells: `share` of them are of the second kind."""

    share: float
    first: LogNormal
    second: LogNormal

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        other = rng.random(shape) < self.share
        return np.where(other, self.second.sample(rng, shape), self.first.sample(rng, shape))

    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        return float(np.logaddexp(*self.log_densities(cells)).sum())

    def log_densities(self, cells: Float[np.ndarray, " n"]) -> Float[np.ndarray, "2 n"]:
        """Return ln of the density that either kind contributes at every cell."""
        shares = (1 - self.share, self.share)
        return np.stack(
            [
                np.log(share) + law.log_density(cells)
                for share, law in zip(shares, (self.first, self.second), strict=True)
            ]
        )

    @property
    def parameters(self) -> dict[str, float]:
        return {
            "mean_uS": self.first.mean,
            "relative_std": self.first.spread,
            "second_share": self.share,
            "second_mean_uS": self.second.mean,
            "second_relative_std": self.second.spread,
        }


@dataclass(frozen=True)
class Formed(AbstractLaw):
    """Cells of which a fraction broke down and conducts; the others are open."""

    fraction: float
    conducting: AbstractLaw

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
        formed = rng.random(shape) < self.fraction
        return formed * self.conducting.sample(rng, shape)

    def log_likelihood(self, cells: Float[np.ndarray, " n"]) -> float:
        conducting = cells[cells > 0]
        n_open = cells.size - conducting.size
        score = self.conducting.log_likelihood(conducting)
        for count, share in ((conducting.size, self.fraction), (n_open, 1 - self.fraction)):
            score += count * np.log(share) if count else 0.0
        return float(score)

    @property
    def parameters(self) -> dict[str, float]:
        return {"formed_fraction": self.fraction, **self.conducting.parameters}


def breakdown_fraction(voltage: float, *, mean: float, std: float) -> float:
    """Return the share of cells that a forming sweep up to `voltage` [V] breaks down.

    Breakdown voltages are normal over an array (doi 10.1038/s42256-023-00609-5, Extended Data
    Fig. 1), so the voltage at which a sweep stops sets the sparsity of the chip.
    """
    if std <= 0:
        raise InputError(f"the spread of breakdown voltages must be positive, got {std} V")
    return float(scipy.stats.norm.cdf(voltage, mean, std))


def fit(cells: Float[np.ndarray, "..."]) -> list[tuple[AbstractLaw, float]]:
    """Return candidate laws with their Akaike criteria, the most likely first.

    Cells of exactly 0 are open. The criterion charges two for every parameter: a mixture has three
    more than the others and must earn them.
    """
    conducting = cells[cells > 0]
    if conducting.size < 8 or np.ptp(conducting) == 0:
        raise InputError(
            f"only {conducting.size} conducting cells with a spread: too few to fit a distribution"
        )
    fraction = conducting.size / cells.size
    scored = []
    for make in (_normal, _log_normal, _log_logistic, _mixture):
        law = make(conducting)
        whole = law if fraction == 1 else Formed(fraction, law)
        n_parameters = len(whole.parameters)
        scored.append((whole, 2 * n_parameters - 2 * whole.log_likelihood(cells.ravel())))
    return sorted(scored, key=lambda pair: pair[1])


def _normal(cells: Float[np.ndarray, " n"]) -> Normal:
    return Normal(float(cells.mean()), float(cells.std()))


def _log_normal(cells: Float[np.ndarray, " n"]) -> LogNormal:
    mu, sigma = float(np.log(cells).mean()), float(np.log(cells).std())
    return LogNormal(float(np.exp(mu + sigma**2 / 2)), float(np.sqrt(np.expm1(sigma**2))))


def _mixture(cells: Float[np.ndarray, " n"], *, rounds: int = 300) -> Mixture:
    """Return the most likely mixture, by expectation and maximisation."""
    log_g = np.log(cells)
    single = _log_normal(cells)
    law = Mixture(0.2, LogNormal(single.mean, single.spread / 1.5), _wider(single))
    for _ in range(rounds):
        densities = law.log_densities(cells)
        second = np.exp(densities[1] - np.logaddexp(*densities))
        share = float(second.mean())
        kinds = [_weighted_log_normal(log_g, weight) for weight in (1 - second, second)]
        step, law = abs(share - law.share), Mixture(min(max(share, 1e-6), 1 - 1e-6), *kinds)
        if step < 1e-7:
            break
    return law if law.share < 0.5 else Mixture(1 - law.share, law.second, law.first)


def _wider(law: LogNormal) -> LogNormal:
    return LogNormal(1.1 * law.mean, 2 * law.spread)


def _weighted_log_normal(
    log_g: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"]
) -> LogNormal:
    """Return the log-normal of cells that count `weight`; never narrower than a thousandth."""
    total = weight.sum() + 1e-12
    mu = float((weight * log_g).sum() / total)
    variance = max(float((weight * (log_g - mu) ** 2).sum() / total), 1e-6)
    return LogNormal(float(np.exp(mu + variance / 2)), float(np.sqrt(np.expm1(variance))))


def _log_logistic(cells: Float[np.ndarray, " n"]) -> LogLogistic:
    location, scale = scipy.stats.logistic.fit(np.log(cells))
    return LogLogistic(float(np.exp(location)), float(1 / scale))
