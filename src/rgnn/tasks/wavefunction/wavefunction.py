"""The public object: a fitted wavefunction, made from a molecule and a chip."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction import archive, start, streams, vmc
from rgnn.tasks.wavefunction.ansatz import Ansatz, Occupation, Readouts
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.evaluate import Evaluated, evaluate, not_a_number, settle
from rgnn.tasks.wavefunction.features import count_one, count_two
from rgnn.tasks.wavefunction.jet import concatenate, value
from rgnn.tasks.wavefunction.spread import spread
from rgnn.tasks.wavefunction.statistics import Estimate
from rgnn.tasks.wavefunction.system import Molecule, molecule
from rgnn.tasks.wavefunction.vmc import Problem, State

Progress = Callable[[str, int, int], None]
Watch = Callable[["Trace"], None]
"""Called with the trace so far after every block of iterations."""

BLOCK = 10
"""Iterations in one compiled call, and between two checkpoints."""

BURN_IN = 10
"""Sweeps of 20 Metropolis steps before training."""

MACROS = 2
"""Macros of the chip that is drawn where none is given: enough for every preset."""

FIT_POINTS = 4096
"""Positions on which the first orbitals are fitted."""


class Trace(NamedTuple):
    """What every iteration reported."""

    energy: Float[np.ndarray, " iteration"]
    variance: Float[np.ndarray, " iteration"]
    acceptance: Float[np.ndarray, " iteration"]
    step: Float[np.ndarray, " iteration"]


EMPTY = Trace(*(np.zeros(0),) * 4)


@dataclass(frozen=True, eq=False)
class Wavefunction:
    """ψ of a molecule on a chip, with trained readouts and walkers that follow |ψ|²."""

    molecule: Molecule
    chip: Chip
    config: WavefunctionConfig
    problem: Problem
    readouts: Readouts
    electrons: Float[Array, "walker n 3"]
    seed: int
    trace: Trace = EMPTY
    evaluated: Evaluated | None = None
    hartree_fock: float | None = None
    """Energy of the Hartree–Fock start [Ha]: a trained ψ should be below."""

    @staticmethod
    def fit(
        system: "str | Path | Molecule",
        *,
        chip: Chip | None = None,
        seed: int = 0,
        config: WavefunctionConfig | None = None,
        charge: int = 0,
        spin: int | None = None,
        bond_length: float | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> "Wavefunction":
        """Return the trained and evaluated wavefunction of a preset, element or geometry file.

        With `checkpoint` the state is written there after every block of iterations; where the
        file exists already, training continues from it with the same numbers.
        """
        target = (
            system
            if isinstance(system, Molecule)
            else molecule(system, charge=charge, spin=spin, bond_length=bond_length)
        )
        config = (config or WavefunctionConfig()).resolved(target)
        with jax.enable_x64(True):
            first = begin(target, chip or Chip.sample(seed=seed, macros=MACROS), config, seed=seed)
            return first.train(checkpoint, progress, watch).evaluate(progress=progress)

    @property
    def energy(self) -> Estimate:
        """Return the energy [Ha] with its standard error."""
        if self.evaluated is None:
            raise InputError("this wavefunction has no energy yet: call evaluate()")
        return self.evaluated.energy

    @property
    def trained(self) -> int:
        """Return how many numbers are trained."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.readouts))

    @property
    def frozen(self) -> int:
        """Return how many matrix entries are realised on the chip."""
        return self.problem.ansatz.streams.frozen

    def train(
        self,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> "Wavefunction":
        """Return the wavefunction after training, from `checkpoint` where that exists."""
        with jax.enable_x64(True):
            return _train(self, checkpoint, progress, watch)

    def evaluate(
        self, *, seed: int | None = None, progress: Progress | None = None
    ) -> "Wavefunction":
        """Return the wavefunction with its energy, sampled with numbers of its own."""
        with jax.enable_x64(True):
            key = keys.child(keys.root(self.seed if seed is None else seed), "evaluate")
            settings = self.config.evaluation
            found = evaluate(self.problem, self.readouts, self.electrons, key, settings, progress)
        return replace(self, evaluated=found)

    def metrics(self) -> dict[str, float | int | None]:
        """Return the numbers of a report."""
        if self.evaluated is None:
            raise InputError("this wavefunction has no energy yet: call evaluate()")
        found, reference = self.evaluated, self.molecule.reference
        error = None if reference is None else 1e3 * (found.energy.mean - reference)
        return {
            "energy_Ha": found.energy.mean,
            "energy_stderr_Ha": found.energy.stderr,
            "variance_Ha2": found.variance,
            "hartree_fock_Ha": self.hartree_fock,
            "reference_Ha": reference,
            "error_mHa": error,
            "correlation_time_samples": found.energy.correlation_time,
            "walkers": found.series.shape[1],
            "steps": len(self.trace.energy),
            "samples": found.series.size,
            "reads_per_energy": self.problem.ansatz.streams.reads_per_energy,
            "trained_weights": self.trained,
            "frozen_weights": self.frozen,
            "trained_fraction": self.trained / (self.trained + self.frozen),
        }

    def save(self, path: Path) -> None:
        """Write the wavefunction, its chip included, to `path` (.npz, plain arrays)."""
        archive.save_model(path, self)

    @staticmethod
    def load(path: Path) -> "Wavefunction":
        """Return the wavefunction written by `save`."""
        with jax.enable_x64(True):
            return archive.load_model(path, assemble)


def assemble(
    target: Molecule, chip: Chip, config: WavefunctionConfig, up: Occupation, down: Occupation
) -> Problem:
    """Return the frozen part of the wavefunction, cut out of `chip`."""
    charges = tuple(target.charges.tolist())
    frozen = streams.build(
        chip,
        config.periphery,
        config.size,
        target.spins,
        n_one=count_one(charges),
        n_two=count_two(charges, odd=not target.spins.alone),
        dtype=config.dtype,
    )
    nuclei = jnp.asarray(target.positions, config.dtype)
    repulsion = jnp.asarray(target.nuclear_repulsion, config.dtype)
    return Problem(Ansatz(nuclei, charges, frozen, up, down), repulsion)


def begin(target: Molecule, chip: Chip, config: WavefunctionConfig, *, seed: int) -> Wavefunction:
    """Return the wavefunction at its closed-form start, its walkers not yet in equilibrium."""
    found = start.orbitals(target, determinants=config.determinants or 1)
    problem = assemble(target, chip, config, found.up, found.down)
    rng = np.random.default_rng(seed)
    electrons = start.walkers(target, found, rng, config.training.walkers)
    key = keys.child(keys.root(seed), "start")
    seen = _seen(problem, start.sample(target, found, rng, FIT_POINTS), key)
    readouts = start.fit(problem.ansatz, found, seen)
    return Wavefunction(
        target,
        chip,
        config,
        problem,
        readouts,
        jnp.asarray(electrons, config.dtype),
        seed,
        hartree_fock=found.energy,
    )


def _seen(problem: Problem, sample: start.Sample, key: PRNGKeyArray) -> start.Sample:
    """Return `sample` with the features of its first electron."""
    dtype = problem.ansatz.nuclei.dtype

    @jax.jit
    def features(x: Array) -> Array:
        found = problem.ansatz.inputs(x, key=key, derivatives=False).features
        return value(concatenate([found.alone, *found.met]))[:, 0]

    return sample._replace(
        features=np.asarray(features(jnp.asarray(sample.electrons, dtype)), float)
    )


def _train(
    psi: Wavefunction, checkpoint: Path | None, progress: Progress | None, watch: Watch | None
) -> Wavefunction:
    key = keys.child(keys.root(psi.seed), "train")
    training = psi.config.training
    total = training.iterations or 0
    state, trace = _resume_or_start(psi, checkpoint, key)
    state = state._replace(walkers=spread(state.walkers))
    while (done := int(state.iteration)) < total:
        count = min(BLOCK, total - done)
        state, info = vmc.run(
            psi.problem, psi.readouts, state, key, training=training, iterations=count
        )
        check_info(info)
        trace = Trace(*(np.append(a, np.asarray(b)) for a, b in zip(trace, info[:4], strict=True)))
        if checkpoint is not None:
            archive.save_state(checkpoint, state, trace, psi.molecule)
        if watch is not None:
            watch(trace)
        if progress is not None:
            progress("training", int(state.iteration), total)
    readouts = vmc.readouts_of(state.average, psi.readouts)
    return replace(psi, readouts=readouts, electrons=state.walkers.electrons, trace=trace)


def _resume_or_start(
    psi: Wavefunction, checkpoint: Path | None, key: PRNGKeyArray
) -> tuple[State, Trace]:
    if checkpoint is not None and checkpoint.exists():
        state, columns = archive.load_state(checkpoint, psi.molecule)
        return state, Trace(*columns)
    state = vmc.init(psi.problem, psi.readouts, psi.electrons, keys.child(key, "init"))
    walkers = state.walkers
    for block in range(BURN_IN):
        walkers, _ = settle(psi.problem, psi.readouts, walkers, keys.child(key, "burn-in", block))
    return state._replace(walkers=walkers), EMPTY


def check_info(info: vmc.Info) -> None:
    """Stop training where a local energy was not a number."""
    bad = np.flatnonzero(~np.asarray(info.finite))
    if len(bad):
        raise not_a_number(int(info.worst[bad[0]]), np.asarray(info.place[bad[0]], float))
