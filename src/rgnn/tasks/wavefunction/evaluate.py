"""Energies of a finished wavefunction: fresh reads, no clipping, honest error bars."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.tasks.wavefunction import sampler
from rgnn.tasks.wavefunction.ansatz import Readouts
from rgnn.tasks.wavefunction.sampler import Walkers
from rgnn.tasks.wavefunction.spread import spread
from rgnn.tasks.wavefunction.statistics import Estimate, estimate
from rgnn.tasks.wavefunction.vmc import Problem, energies

BLOCK = 10
"""Energies in one compiled call."""

SAMPLES = 300
"""Local energies of every walker where nothing else is said."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """How long walkers are followed, and how precise the energy shall be."""

    samples: int | None = None
    """Local energies of every walker, at most; None: chosen by the number of electrons."""
    moves: int = 5
    """Metropolis steps between two of them."""
    burn_in: int = 400
    """Metropolis steps before the first."""
    error_mHa: float = 0.1
    """Stop once the standard error of the mean is below this."""
    chunk: int = 128
    """Walkers whose derivatives are held at a time."""

    def __post_init__(self) -> None:
        counts = [self.samples, self.moves, self.chunk]
        if any(count is not None and count < 1 for count in counts) or self.burn_in < 0:
            raise InputError("samples, moves and chunk must be at least 1")
        if not self.error_mHa > 0:
            raise InputError(f"error_mHa must be positive, got {self.error_mHa}")


class Evaluated(NamedTuple):
    """The energy [Ha], the variance of E_L [Ha²], and what was sampled along the way."""

    energy: Estimate
    variance: float
    series: Float[np.ndarray, "time walker"]
    dipole: Float[np.ndarray, "time 3"]
    """Mean dipole of the electrons, −Σ r_i [e bohr], at every sample."""
    electrons: Float[np.ndarray, "sample n 3"]
    """Where electrons were [bohr], for densities."""
    walkers: Walkers


def evaluate(
    problem: Problem,
    readouts: Readouts,
    electrons: Float[Array, "walker n 3"],
    key: PRNGKeyArray,
    settings: Evaluation,
    progress: Progress | None = None,
) -> Evaluated:
    """Return the energy of ψ sampled anew from `electrons`."""
    first = sampler.init(problem.log_psi(readouts), electrons, keys.child(key, "first"))
    walkers = spread(first)
    for block in range(-(-settings.burn_in // 20)):
        walkers, _ = settle(problem, readouts, walkers, keys.child(key, "burn-in", block))
    series, dipole, kept = [], [], []
    total = settings.samples or SAMPLES
    for block in range(-(-total // BLOCK)):
        child, count = keys.child(key, "block", block), min(BLOCK, total - block * BLOCK)
        walkers, energy, centre = sample(problem, readouts, walkers, child, settings, count)
        series.append(np.asarray(energy, float))
        check(series[-1][-1], walkers.electrons)
        dipole.append(-np.asarray(centre, float))
        kept.append(np.asarray(walkers.electrons))
        if progress is not None:
            progress("evaluating", block * BLOCK + count, total)
        found = estimate(np.concatenate(series))
        if block >= 4 and 1e3 * found.stderr < settings.error_mHa:
            break
    whole = np.concatenate(series)
    return Evaluated(
        estimate(whole),
        float(whole.var()),
        whole,
        np.concatenate(dipole),
        np.concatenate(kept[-20:]),
        walkers,
    )


@eqx.filter_jit
def settle(problem: Problem, readouts: Readouts, walkers: Walkers, key: PRNGKeyArray):
    """Return the walkers after 20 adapting Metropolis steps, and their acceptance."""
    return sampler.sweep(problem.log_psi(readouts), walkers, key, 20)


def check(
    energy: Float[np.ndarray, " walker"],
    electrons: Float[Array | np.ndarray, "walker electron 3"],
) -> None:
    """Stop with the walker and the reason where a local energy is not a number."""
    bad = np.flatnonzero(~np.isfinite(energy))
    if len(bad):
        raise not_a_number(int(bad[0]), np.asarray(electrons[bad[0]], float))


def not_a_number(walker: int, where: Float[np.ndarray, "electron 3"]) -> InputError:
    """Return what to say of a walker at `where` [bohr] whose local energy is not a number."""
    if not np.isfinite(where).all():
        reason = "its position is not finite; the step of the sampler diverged"
    else:
        apart = np.linalg.norm(where[:, None] - where[None], axis=-1) + 1e9 * np.eye(len(where))
        i, j = np.unravel_index(apart.argmin(), apart.shape)
        reason = (
            f"its closest electrons {i} and {j} are {apart[i, j]:.3g} bohr apart and log|ψ| or a "
            "readout has diverged; lower training.rate or training.gradient.trust"
        )
    return InputError(f"the local energy of walker {walker} is not a number: {reason}")


@eqx.filter_jit
def sample(
    problem: Problem,
    readouts: Readouts,
    walkers: Walkers,
    key: PRNGKeyArray,
    settings: Evaluation,
    count: int,
) -> tuple[Walkers, Float[Array, "block walker"], Float[Array, "block 3"]]:
    """Return the walkers after `count` samples, their local energies and mean positions."""
    log_psi = problem.log_psi(readouts)

    def one(state: Walkers, k: PRNGKeyArray) -> tuple[Walkers, tuple[Array, Array]]:
        moved, _ = sampler.sweep(log_psi, state, k, settings.moves)
        state = moved._replace(width=state.width)
        child = keys.child(k, "energy")
        energy = energies(problem, readouts, state.electrons, child, chunk=settings.chunk)
        return state, (energy, state.electrons.sum(1).mean(0))

    walkers, (energy, centre) = jax.lax.scan(one, walkers, jax.random.split(key, count))
    return walkers, energy, centre
