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
from rgnn.tasks.wavefunction.ansatz import Ansatz, Inputs, Readouts
from rgnn.tasks.wavefunction.jet import value
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
    rate: float = 1.0
    """First step along the natural gradient [1/Ha]: imaginary time."""
    delay: float = 10.0
    """Iterations after which the step has halved."""
    averaged: float = 0.4
    """Last part of the training over which readouts are averaged."""
    clip: float = 5.0
    """Local energies further than this many mean deviations from the median are moved there."""
    chunk: int = 128
    """Walkers whose derivatives are held at a time."""
    gradient: NaturalGradient = field(default_factory=NaturalGradient)

    def __post_init__(self) -> None:
        counts = [self.walkers, self.moves, self.chunk, self.iterations]
        if any(count is not None and count < 1 for count in counts):
            raise InputError("walkers, iterations, moves and chunk must be at least 1")
        if not min(self.rate, self.delay, self.clip) > 0 or not 0 <= self.averaged <= 1:
            raise InputError("rate, delay and clip must be positive, averaged between 0 and 1")
        if self.walkers % min(self.chunk, self.walkers):
            raise InputError(f"{self.walkers} walkers do not divide into chunks of {self.chunk}")


class State(NamedTuple):
    """Everything that changes: readouts (flat), their average, the last direction, walkers."""

    theta: Float[Array, " parameter"]
    average: Float[Array, " parameter"]
    direction: Float[Array, " parameter"]
    walkers: Walkers
    iteration: Int[Array, ""]


class Info(NamedTuple):
    """What one iteration reports; `worst` is the walker of the largest |E_L|, at `place` [bohr]."""

    energy: Float[Array, "..."]
    variance: Float[Array, "..."]
    acceptance: Float[Array, "..."]
    step: Float[Array, "..."]
    worst: Int[Array, "..."]
    place: Float[Array, "... n 3"]
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
    ) -> tuple[Float[Array, " walker"], Inputs]:
        """Return E_L [Ha] and the inputs of the readouts with their derivatives."""
        reads = 2 if self.ansatz.streams.noisy else 1
        inputs = self.ansatz.inputs(electrons, key=key, derivatives=True, reads=reads)
        log_psi = self.ansatz.log_psi(readouts, inputs).log
        charges = jnp.asarray(self.ansatz.charges, electrons.dtype)
        energy = kinetic(log_psi) + coulomb(electrons, self.ansatz.nuclei, charges)
        return energy + self.repulsion, inputs


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


class Slopes(NamedTuple):
    """Local energies, O = ∂ log|ψ|/∂θ, and v · ∇O along a random direction v = (±1, ±1, …)."""

    energy: Float[Array, " walker"]
    jacobian: Float[Array, "walker parameter"]
    stiffness: Float[Array, "walker parameter"]


def slopes(
    problem: Problem, readouts: Readouts, electrons: Array, key: PRNGKeyArray, *, chunk: int
) -> Slopes:
    """Return all that a step needs, from the same reads.

    The mean of (v · ∇O_k)(v · ∇O_l) over walkers is ⟨∇O_k · ∇O_l⟩.
    """

    def log_of(theta: Readouts, inputs: Inputs) -> Array:
        return value(problem.ansatz.log_psi(theta, inputs).log)

    def moving(theta: Readouts, inputs: Inputs, change: Inputs) -> tuple[Array, Array]:
        return jax.jvp(lambda i: log_of(theta, i), (inputs,), (change,))

    def both(inputs: Inputs, change: Inputs) -> tuple[Array, Array]:
        def flat(theta: Array) -> tuple[Array, Array]:
            return moving(unravel(theta), inputs, change)

        return jax.jacrev(flat)(theta)

    theta, unravel = ravel_pytree(readouts)

    def one(x: Array, k: PRNGKeyArray) -> Slopes:
        energy, inputs = problem.local_energy(readouts, x, keys.child(k, "read"))
        velocity = jax.random.rademacher(keys.child(k, "velocity"), x.shape, x.dtype)
        return Slopes(energy, *jax.vmap(both)(inputs.values(), inputs.along(velocity)))

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
        found = slopes(
            problem, readouts, walkers.electrons, keys.child(k, "energy"), chunk=training.chunk
        )
        energy = found.energy
        worst = jnp.argmax(jnp.where(jnp.isfinite(energy), jnp.abs(energy), jnp.inf))
        clipped = found._replace(energy=clip(energy, training.clip))
        new, step = _update(state, clipped, training)
        info = Info(
            energy.mean(),
            energy.var(),
            acceptance,
            step,
            worst,
            walkers.electrons[worst],
            jnp.isfinite(energy).all(),
        )
        return new._replace(walkers=walkers), info

    return jax.lax.scan(one, state, None, length=iterations)


def clip(energy: Float[Array, " walker"], width: float) -> Float[Array, " walker"]:
    """Return energies with outliers moved to `width` mean deviations from the median."""
    middle = jnp.median(energy)
    spread = width * jnp.mean(jnp.abs(energy - middle))
    return jnp.clip(energy, middle - spread, middle + spread)


def _update(state: State, found: Slopes, training: Training) -> tuple[State, Float[Array, ""]]:
    """Take one step; keep the average of the readouts over the last part of the training.

    The step is implicit in imaginary time: near an eigenstate the energy of a change δψ = ψ O_k is
    ½ ⟨∇O_k · ∇O_l⟩ above its own, so that directions of high energy take shorter steps.
    """
    rate = training.rate / (1 + state.iteration / training.delay)
    phi = direction(
        found.jacobian,
        found.energy,
        state.direction,
        training.gradient,
        stiffness=jnp.sqrt(0.5 * rate) * found.stiffness,
    )
    step = step_size(phi, found.jacobian, rate, training.gradient)
    theta = state.theta - step * phi
    first = int((training.iterations or 0) * (1 - training.averaged))
    seen = jnp.maximum(state.iteration - first + 1, 1)
    average = jnp.where(
        state.iteration < first, theta, state.average + (theta - state.average) / seen
    )
    return State(theta, average, phi, state.walkers, state.iteration + 1), step


def _by_chunks(function: Callable, electrons: Array, key: PRNGKeyArray, chunk: int):
    """Return `function(part, key)` of all walkers, `chunk` of them at a time.

    A part takes walkers from everywhere, so that devices that share them all work on it.
    """
    total = electrons.shape[0]
    size = min(chunk, total)
    parts = electrons.reshape(size, total // size, *electrons.shape[1:]).swapaxes(0, 1)
    found = jax.lax.map(lambda a: function(*a), (parts, jax.random.split(key, len(parts))))
    return jax.tree.map(lambda f: f.swapaxes(0, 1).reshape(total, *f.shape[2:]), found)
