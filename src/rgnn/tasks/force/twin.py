"""The fully trained twin: the same network with every weight trained by gradient descent.

What it costs to train everything is measured, not asserted. The mixing matrices start from the
chip's random weights, the readout from zero on features of unit spread; Adam then follows the
gradient of energies and forces through the whole network. Nothing of it can live on a chip.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.core.errors import InputError, MissingExtra
from rgnn.core.structure import Frame
from rgnn.reservoir.reservoir import Reservoir, Surroundings
from rgnn.tasks.force import baseline, engine
from rgnn.tasks.force.model import ForceField


@dataclass(frozen=True)
class TwinConfig:
    """How the twin is trained."""

    cpu_seconds: float = 300.0
    """Budget of processor time, compilation included; the learning rate falls to zero over it."""
    rate: float = 3e-3
    """Learning rate at the start."""
    batch: int = 5
    """Frames per step."""
    energy_weight: float = 1.0
    """Weight of (ΔE)² [eV²] per frame against Σ |ΔF|² [eV²/Å²]."""
    look_every: float = 10.0
    """Processor seconds of training between two looks at the test frames."""


class Look(NamedTuple):
    """How good the twin was at some point of its training."""

    cpu_seconds: float
    """Spent on training so far, looks left out."""
    steps: int
    force_rmse_meV_per_A: float


class Weights(NamedTuple):
    """Everything that is trained."""

    mixing: tuple[Float[Array, "_ _"], ...]
    readout: Float[Array, "n_species n_feature"]
    """On features of zero mean and unit spread."""
    offset: Float[Array, " n_species"]


class Standard(NamedTuple):
    """What features are measured by."""

    mean: Float[Array, "n_species n_feature"]
    spread: Float[Array, "n_species n_feature"]


class Batch(NamedTuple):
    """Frames of one molecule or cell, stacked."""

    around: Surroundings
    energy: Float[Array | np.ndarray, " n_frame"]
    forces: Float[Array | np.ndarray, "n_frame n_atom 3"]


def train(
    field: ForceField, frames: Sequence[Frame], test: Sequence[Frame], settings: TwinConfig
) -> tuple[Weights, list[Look]]:
    """Return the twin of `field` trained from scratch on `frames`, and how its error fell.

    Only the network of `field` is used, not its readout. Over a baseline both learn what that
    misses. Raises InputError for networks with a message step, which are not offered.
    """
    clock = _Clock()
    under = field.config.baseline
    if under.method != "none":
        frames = baseline.without(frames, baseline.compute_all(frames, under), under.scale)
        test = baseline.without(test, baseline.compute_all(test, under), under.scale)
    network = field.reservoir
    learnt = field.calibration.driving.size or field.config.reservoir.trained.channels
    if not isinstance(network, Reservoir) or network.message is not None or learnt:
        raise InputError(
            "the fully trained twin has neither message step, gate, learnt radial functions, "
            "trained channels nor whitened densities; set message.scalars=0, gate.rounds=0, "
            "radial.steps=0, trained.channels=0 and whiten=0"
        )
    build = engine.Builder(field.elements, field.config.reservoir)
    for frame in (*frames, *test):
        build(frame.structure)
    reference = _reference(frames, field.elements)
    data, unseen = (_stack(build, part, reference) for part in (frames, test))
    standard = _standard(network, data, len(field.elements))
    weights = Weights(
        tuple(mv.weight for mv in network.layer.mixing),
        jnp.zeros((len(field.elements), network.n_feature)),
        jnp.zeros(len(field.elements)),
    )
    start, step = _adam(network, standard, settings.energy_weight)
    state, looks, steps = start(weights), [], 0
    rng = np.random.default_rng(0)
    while clock.spent() < settings.cpu_seconds:
        order = rng.permutation(len(frames))
        for first in range(0, len(frames) - settings.batch + 1, settings.batch):
            rate = settings.rate * max(0.0, 1 - clock.spent() / settings.cpu_seconds)
            batch = _pick(data, order[first : first + settings.batch])
            weights, state = step(weights, state, batch, rate)
            steps += 1
        jax.block_until_ready(weights)
        now = clock.spent()
        if (
            now >= settings.cpu_seconds
            or now - (looks or [Look(0, 0, 0)])[-1][0] > settings.look_every
        ):
            with clock.stopped():
                looks.append(Look(now, steps, _rmse(weights, network, standard, unseen)))
    return weights, looks


class _Clock:
    """Processor time spent on training; looking at test frames does not count."""

    def __init__(self) -> None:
        self.start = time.process_time()

    def spent(self) -> float:
        """Return the seconds since the start that count."""
        return time.process_time() - self.start

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave out what happens inside."""
        before = time.process_time()
        yield
        self.start += time.process_time() - before


def _adam(network: Reservoir, standard: Standard, energy_weight: float):
    """Return functions that start the optimiser and take one step."""
    optax = _optax()
    adam = optax.scale_by_adam()

    @eqx.filter_jit
    def step(weights: Weights, state, batch: Batch, rate: Array):
        slope = jax.grad(_loss)(weights, network, standard, batch, energy_weight)
        change, state = adam.update(slope, state)
        return jax.tree.map(lambda w, d: w - rate * d, weights, change), state

    return adam.init, lambda w, s, b, rate: step(w, s, b, jnp.asarray(rate, jnp.float32))


def _forces(
    weights: Weights, network: Reservoir, standard: Standard, around: Surroundings
) -> tuple[Float[Array, ""], Float[Array, "n_atom 3"]]:
    """Return the energy and the forces of one structure."""
    trained = eqx.tree_at(lambda n: [m.weight for m in n.layer.mixing], network, weights.mixing)
    graph = around.full
    readout = weights.readout / standard.spread
    offset = weights.offset - (readout * standard.mean).sum(axis=-1)
    energies, gradient = trained.energies_and_gradient(around, readout, key=None)
    pull = jnp.where(graph.pair_mask[..., None], gradient.full, 0)
    forces = pull.sum(1).at[graph.neighbour.reshape(-1)].add(-pull.reshape(-1, 3))
    energies = energies + offset[graph.species]
    return jnp.where(graph.atom_mask, energies, 0).sum(), forces


def _loss(
    weights: Weights, network: Reservoir, standard: Standard, batch: Batch, energy_weight: float
) -> Float[Array, ""]:
    energy, forces = jax.vmap(lambda a: _forces(weights, network, standard, a))(batch.around)
    squares = jnp.sum(jnp.square(forces - batch.forces), axis=(1, 2))
    return jnp.mean(squares + energy_weight * jnp.square(energy - batch.energy))


@eqx.filter_jit
def _predicted(weights: Weights, network: Reservoir, standard: Standard, around: Surroundings):
    return jax.vmap(lambda a: _forces(weights, network, standard, a)[1])(around)


def _rmse(weights: Weights, network: Reservoir, standard: Standard, data: Batch) -> float:
    """Return the force error [meV/Å] over all real atoms."""
    total, count = 0.0, 0
    for first in range(0, len(data.energy), 50):
        part = _pick(data, np.arange(first, min(first + 50, len(data.energy))))
        found = np.asarray(_predicted(weights, network, standard, part.around))
        mask = part.around.full.atom_mask
        total += float(np.square(found - part.forces)[mask].sum())
        count += 3 * int(mask.sum())
    return 1e3 * float(np.sqrt(total / count))


def _reference(frames: Sequence[Frame], elements: Sequence[int]) -> Float[np.ndarray, " n"]:
    """Return the energy of an atom of every element that explains most of the energies [eV]."""
    counts = [[np.sum(f.structure.numbers == z) for z in elements] for f in frames]
    energies = [f.labels.energy for f in frames]
    return np.linalg.lstsq(np.array(counts, float), np.array(energies, float), rcond=None)[0]


def _stack(
    build: engine.Builder, frames: Sequence[Frame], reference: Float[np.ndarray, " n_species"]
) -> Batch:
    """Return all frames side by side, energies without those of lone elements."""
    around = [build(frame.structure) for frame in frames]
    forces = np.zeros((len(frames), len(around[0].full.species), 3), np.float32)
    energy = np.zeros(len(frames), np.float32)
    for number, frame in enumerate(frames):
        if frame.labels.forces is None or frame.labels.energy is None:
            raise InputError(f"{frame.source}: the twin needs energy and forces")
        forces[number, : len(frame)] = frame.labels.forces
        species = np.asarray(around[number].full.species[: len(frame)])
        energy[number] = frame.labels.energy - reference[species].sum()
    return Batch(jax.tree.map(lambda *a: np.stack(a), *around), energy, forces)


@eqx.filter_jit
def _invariants(network: Reservoir, around: Surroundings):
    return jax.vmap(lambda a: network.features(a))(around)


def _standard(network: Reservoir, data: Batch, n_species: int) -> Standard:
    """Return mean and spread of every feature by element, over some of the frames."""
    some = _pick(data, np.arange(min(20, len(data.energy))))
    graph = some.around.full
    values = np.asarray(_invariants(network, some.around))[graph.atom_mask]
    species = graph.species[graph.atom_mask]
    own = [values[species == s] if (species == s).any() else values for s in range(n_species)]
    mean = np.stack([v.mean(axis=0) for v in own])
    spread = np.stack([np.maximum(v.std(axis=0), 1e-6) for v in own])
    return Standard(jnp.asarray(mean), jnp.asarray(spread))


def _pick(data: Batch, index: np.ndarray) -> Batch:
    return jax.tree.map(lambda a: a[index], data)


def _optax():
    try:
        import optax
    except ImportError as error:
        raise MissingExtra("optax", "twin") from error
    return optax
