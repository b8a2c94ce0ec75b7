"""Put a wavefunction together: molecule, chip and sizes in, problem, readouts and walkers out."""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.core import keys
from rgnn.crossbar.build import Periphery
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction import start, streams
from rgnn.tasks.wavefunction.ansatz import Ansatz, Readouts
from rgnn.tasks.wavefunction.features import COUNT_TWO, count_one
from rgnn.tasks.wavefunction.system import Molecule
from rgnn.tasks.wavefunction.vmc import Problem


@dataclass(frozen=True)
class Design:
    """The shape of a wavefunction and the rung of the ladder its frozen layers stand on."""

    size: streams.Size = field(default_factory=streams.Size)
    determinants: int = 4
    """Pairs of orbitals that the outermost pair of a closed shell may occupy."""
    periphery: Periphery = field(default_factory=lambda: Periphery("exact"))
    dtype: str = "float32"


class Started(NamedTuple):
    """A problem with its first readouts and electrons [bohr]."""

    problem: Problem
    readouts: Readouts
    electrons: Float[Array, "walker n 3"]


def assemble(molecule: Molecule, chip: Chip, design: Design, found: start.Orbitals) -> Problem:
    """Return the frozen part of the wavefunction."""
    charges = tuple(molecule.charges.tolist())
    frozen = streams.build(
        chip,
        design.periphery,
        design.size,
        molecule.spins,
        n_one=count_one(charges),
        n_two=COUNT_TWO,
        dtype=design.dtype,
    )
    nuclei = jnp.asarray(molecule.positions, design.dtype)
    ansatz = Ansatz(nuclei, charges, frozen, found.up, found.down)
    return Problem(ansatz, jnp.asarray(molecule.nuclear_repulsion, design.dtype))


def begin(molecule: Molecule, chip: Chip, design: Design, *, walkers: int, seed: int) -> Started:
    """Return the wavefunction at its closed-form start."""
    found = start.orbitals(molecule, determinants=design.determinants)
    problem = assemble(molecule, chip, design, found)
    rng = np.random.default_rng(seed)
    electrons = start.walkers(molecule, found, rng, walkers)
    key = keys.child(keys.root(seed), "start")
    readouts = start.fit(problem.ansatz, found, *_samples(molecule, problem, found, rng, key))
    return Started(problem, readouts, jnp.asarray(electrons, design.dtype))


def _samples(molecule: Molecule, problem: Problem, found: start.Orbitals, rng, key, *, count=4000):
    """Return features of an electron at points of known density, among others at their places."""
    others = start.walkers(molecule, found, rng, count)
    points, density = start.positions(molecule, rng, count)
    others[:, 0] = points
    dtype = problem.ansatz.nuclei.dtype

    @jax.jit
    def features(x: Array) -> Array:
        return problem.ansatz.inputs(x, key=key, derivatives=False).features.one[:, 0]

    return np.asarray(features(jnp.asarray(others, dtype))), points, density
