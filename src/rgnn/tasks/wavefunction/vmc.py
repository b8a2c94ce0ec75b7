"""Variational Monte Carlo: walkers move, energies are read, readouts take a natural-gradient step.

`init(…) → State`, `run(state) → (state, info)`: one call is one compiled program that scans over
several iterations. Local energies are evaluated in chunks of walkers that fit the processor's
cache.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.readout.natural_gradient import NaturalGradient, direction, step_size
from rgnn.tasks.wavefunction import sampler
from rgnn.tasks.wavefunction.ansatz import Ansatz, Readouts
from rgnn.tasks.wavefunction.jet import Jet, value
from rgnn.tasks.wavefunction.local_energy import coulomb, kinetic
from rgnn.tasks.wavefunction.sampler import Walkers


@dataclass(frozen=True)
class Training:
    """How readouts are trained."""

    walkers: int = 1024
    iterations: int | None = None
    """None: chosen by the number of electrons."""
    moves: int = 10
    """Metropolis steps between two gradients."""
    rate: float = 0.15
    """First step along the natural gradient [1/Ha]: imaginary time."""
    delay: float = 100.0
    """Iterations after which the step has halved."""
    averaged: float = 0.4
    """Last part of the training over which readouts are averaged."""
    clip: float = 5.0
    """Local energies further than this many mean deviations from the median are moved there."""
    chunk: int = 128
    """Walkers whose derivatives are held at a time."""
    gradient: NaturalGradient = field(default_factory=NaturalGradient)

    def __post_init__(self) -> None:
        if min(self.walkers, self.moves, self.chunk) < 1:
            raise InputError("training: walkers, moves and chunk must be at least 1")
        if self.walkers % min(self.chunk, self.walkers):
            raise InputError(
                f"training: {self.walkers} walkers do not divide into chunks of {self.chunk}"
            )


class State(NamedTuple):
    """Everything that changes: readouts (flat), their average, the last direction, walkers."""

    theta: Float[Array, " parameter"]
    average: Float[Array, " parameter"]
    direction: Float[Array, " parameter"]
    walkers: Walkers
    iteration: Int[Array, ""]


class Info(NamedTuple):
    """What one iteration reports; `worst` is the walker of the largest |E_L|."""

    energy: Float[Array, "..."]
    variance: Float[Array, "..."]
    acceptance: Float[Array, "..."]
    step: Float[Array, "..."]
    worst: Int[Array, "..."]
    finite: Array


class Problem(eqx.Module):
    """A wavefunction without its readouts, and the constants of its Hamiltonian."""

    ansatz: Ansatz
    repulsion: Float[Array, ""]

    def log_psi(self, readouts: Readouts) -> sampler.LogPsi:
        """Return log|ψ| of many walkers as one read of the chip."""

        def read(electrons: Array, key: PRNGKeyArray) -> Array:
            inputs = self.ansatz.inputs(electrons, key=key, derivatives=False)
            return value(self.ansatz.log_psi(readouts, inputs).log)

        return read

    def local_energy(
        self, readouts: Readouts, electrons: Float[Array, "walker n 3"], key: PRNGKeyArray
    ) -> tuple[Float[Array, " walker"], object]:
        """Return E_L [Ha] and the inputs of the readouts, values only."""
        reads = 2 if self.ansatz.streams.noisy else 1
        inputs = self.ansatz.inputs(electrons, key=key, derivatives=True, reads=reads)
        log_psi = self.ansatz.log_psi(readouts, inputs).log
        charges = jnp.asarray(self.ansatz.charges, electrons.dtype)
        energy = kinetic(log_psi) + coulomb(electrons, self.ansatz.nuclei, charges)
        return energy + self.repulsion, jax.tree.map(value, inputs, is_leaf=_is_jet)


def init(
    problem: Problem, readouts: Readouts, electrons: Float[Array, "walker n 3"], key: PRNGKeyArray
) -> State:
    """Return the state before the first iteration."""
    theta = ravel_pytree(readouts)[0].astype(jnp.float64)
    walkers = sampler.init(problem.log_psi(readouts), electrons, key)
    return State(theta, jnp.zeros_like(theta), jnp.zeros_like(theta), walkers, jnp.asarray(0))


def readouts_of(theta: Float[Array, " parameter"], blank: Readouts) -> Readouts:
    """Return the flat `theta` in the shapes and number type of `blank`."""
    return ravel_pytree(blank)[1](theta.astype(blank.orbital.dtype))


def energies(
    problem: Problem, readouts: Readouts, electrons: Array, key: PRNGKeyArray, *, chunk: int
) -> Float[Array, " walker"]:
    """Return the local energies [Ha] of all walkers."""

    def one(x: Array, k: PRNGKeyArray) -> Array:
        return problem.local_energy(readouts, x, k)[0]

    return _by_chunks(one, electrons, key, chunk)


def energies_and_jacobian(
    problem: Problem, readouts: Readouts, electrons: Array, key: PRNGKeyArray, *, chunk: int
) -> tuple[Float[Array, " walker"], Float[Array, "walker parameter"]]:
    """Return local energies and ∂ log|ψ|/∂θ, both from the same reads."""

    def log_of(theta: Readouts, inputs) -> Array:
        return value(problem.ansatz.log_psi(theta, inputs).log)

    def one(x: Array, k: PRNGKeyArray) -> tuple[Array, Array]:
        energy, inputs = problem.local_energy(readouts, x, k)
        slope = jax.vmap(jax.grad(log_of), (None, 0))(readouts, inputs)
        return energy, jax.vmap(lambda s: ravel_pytree(s)[0])(slope)

    return _by_chunks(one, electrons, key, chunk)


@eqx.filter_jit
def run(
    problem: Problem,
    blank: Readouts,
    state: State,
    key: PRNGKeyArray,
    *,
    training: Training,
    iterations: int,
) -> tuple[State, Info]:
    """Return the state after `iterations` more iterations and what each of them reports.

    `blank` gives the readouts their shapes. The randomness of an iteration depends on `key` and
    its number only, so that an interrupted run continues with the same numbers.
    """

    def one(state: State, _: None) -> tuple[State, Info]:
        k = jax.random.fold_in(keys.child(key, "iteration"), state.iteration)
        readouts = readouts_of(state.theta, blank)
        log_psi = problem.log_psi(readouts)
        fresh = log_psi(state.walkers.electrons, keys.child(k, "fresh"))
        walkers, acceptance = sampler.sweep(
            log_psi, state.walkers._replace(log_psi=fresh), keys.child(k, "move"), training.moves
        )
        energy, jacobian = energies_and_jacobian(
            problem, readouts, walkers.electrons, keys.child(k, "energy"), chunk=training.chunk
        )
        new, step = _update(state, clip(energy, training.clip), jacobian, training)
        info = Info(
            energy.mean(),
            energy.var(),
            acceptance,
            step,
            jnp.argmax(jnp.where(jnp.isfinite(energy), jnp.abs(energy), jnp.inf)),
            jnp.isfinite(energy).all(),
        )
        return new._replace(walkers=walkers), info

    return jax.lax.scan(one, state, None, length=iterations)


def clip(energy: Float[Array, " walker"], width: float) -> Float[Array, " walker"]:
    """Return energies with outliers moved to `width` mean deviations from the median."""
    middle = jnp.median(energy)
    spread = width * jnp.mean(jnp.abs(energy - middle))
    return jnp.clip(energy, middle - spread, middle + spread)


def _update(
    state: State, energy: Array, jacobian: Array, training: Training
) -> tuple[State, Float[Array, ""]]:
    """Take one step; keep the average of the readouts over the last part of the training."""
    phi = direction(jacobian, energy, state.direction, training.gradient)
    rate = training.rate / (1 + state.iteration / training.delay)
    step = step_size(phi, jacobian, rate, training.gradient)
    theta = state.theta - step * phi
    first = int((training.iterations or 0) * (1 - training.averaged))
    seen = jnp.maximum(state.iteration - first + 1, 1)
    average = jnp.where(
        state.iteration < first, theta, state.average + (theta - state.average) / seen
    )
    return State(theta, average, phi, state.walkers, state.iteration + 1), step


def _by_chunks(function: Callable, electrons: Array, key: PRNGKeyArray, chunk: int):
    """Return `function(part, key)` of all walkers, `chunk` of them at a time."""
    total = electrons.shape[0]
    size = min(chunk, total)
    parts = electrons.reshape(total // size, size, *electrons.shape[1:])
    found = jax.lax.map(lambda a: function(*a), (parts, jax.random.split(key, len(parts))))
    return jax.tree.map(lambda f: f.reshape(total, *f.shape[2:]), found)


def _is_jet(node: object) -> bool:
    return isinstance(node, Jet)
