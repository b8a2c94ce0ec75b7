"""Small digital parts learnt so that two halves of the training data predict each other better.

There are two: radial functions, a matrix for every degree and every element of the neighbours
between their densities and the chip, which starts as the identity; and what is trained beside the
chip, channels and messages. Their entries follow the exact derivative of the error the readout
makes on data it was not solved on (`readout.halves`), every step after a new solution in closed
form. The mixing matrices on the chip stay as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.crossbar.channels import Channels
from rgnn.crossbar.combined import Combined
from rgnn.graph.batch import Graph
from rgnn.readout.halves import Crossed, Half, cotangents, crossed
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.layer import DensityLayer
from rgnn.reservoir.reservoir import Reservoir, Surroundings
from rgnn.reservoir.trained_message import TrainedMessage
from rgnn.tasks.force import engine, training
from rgnn.tasks.force.config import LearningConfig
from rgnn.tasks.force.rows import assemble
from rgnn.tasks.force.training import Progress

_FEWEST = 4
"""Fewest frames that are halved."""

_RUNS = 32
"""Runs of neighbouring frames that fall into the two halves by turns."""

_ENERGY_WEIGHT = 900.0
"""Weight of a squared energy per atom against a squared force: what noise expects of either."""

_DISTINCT = 1e-6
"""Singular value of the compositions, relative to the largest, below which they are the same."""

_STRENGTHS = 10.0 ** np.arange(-10, -4)
"""Prior precisions tried first, relative to what the data determine."""

_WEAKEST = 1e-12
"""Weakest prior precision on the same scale, for a stable Cholesky."""

_RETUNE = 4
"""Steps between two looks at the strength of the prior."""

_FIRST, _SECOND = 0.8, 0.95
"""Memory of Adam (arXiv:1412.6980) for slopes and their squares; there are few steps."""

Values = Any
"""Numbers that are learnt: an array, or a tuple of them."""


class Part(NamedTuple):
    """Numbers of a network that can be learnt."""

    name: str
    take: Callable[[Reservoir], Values]
    put: Callable[[Reservoir, Values], Reservoir]
    """Returns the network with other values in their place."""
    floor: float
    """Slopes this much smaller than is typical move an entry less than others."""


class Learnt(NamedTuple):
    """What was learnt, and what it gained."""

    values: Values
    before: float
    """Force error [eV/Å] between the halves before the first step."""
    after: float
    """The same before the last step."""


@dataclass(frozen=True, eq=False)
class _Data:
    """What stays the same from step to step."""

    frames: Sequence[Frame]
    around: Sequence[Surroundings]
    n_species: int
    half: Int[np.ndarray, " n_frame"]
    energies: Float[np.ndarray, " n_frame"]
    """Without what compositions explain, weighed against forces."""
    project: Float[np.ndarray, "n_frame n_frame"]
    """Takes out of the energies of all frames what compositions explain, and weighs the rest."""

    def forces(self, frame: int) -> Float[np.ndarray, " k"]:
        """Return the force components of a frame [eV/Å]."""
        forces = self.frames[frame].labels.forces
        assert forces is not None  # frames without forces are refused before
        return forces.ravel()


def learn(
    network: Reservoir,
    part: Part,
    frames: Sequence[Frame],
    build: engine.Builder,
    group_by: str,
    settings: LearningConfig,
    progress: Progress | None,
) -> Learnt:
    """Return better values for `part` of the network, starting from those it has.

    No messages come from the chip. `group_by` names what frames of one half share; otherwise
    neighbouring frames do. Raises InputError for fewer frames than make two halves.
    """
    if len(frames) < _FEWEST:
        raise InputError(
            f"{part.name} are learnt from two halves of the data, at least {_FEWEST} frames; "
            f"got {len(frames)}: set radial.steps=0 and reservoir.trained.channels=0"
        )
    for frame in frames:
        build(frame.structure)  # the largest settle the shapes, so that no step compiles anew
    turns = [_data(own, build, group_by) for own in _turns(frames, settings.rows)]
    values, dtype = _numpy(part.take(network)), network.layer.decay.dtype.name
    scale, strength, errors = _units(network, turns[0]), None, []
    slope = square = jax.tree.map(np.zeros_like, values)
    for step in range(settings.steps):
        data, own = turns[step % len(turns)], part.put(network, _as_dtype(values, dtype))
        halves = _halves(own, data, scale)
        if strength is None or step % _RETUNE == 0:
            strength = _strength(halves, strength)
        found = crossed(halves, strength)
        errors.append(found.error)
        gradient = _gradient(own, part, data, halves, found, scale)
        slope = jax.tree.map(lambda a, g: _FIRST * a + (1 - _FIRST) * g, slope, gradient)
        square = jax.tree.map(lambda a, g: _SECOND * a + (1 - _SECOND) * g**2, square, gradient)
        rate = settings.rate * (1 - step / settings.steps)
        moves = jax.tree.map(partial(_move, step, part.floor), slope, square, gradient)
        values = jax.tree.map(lambda v, m, rate=rate: v - rate * m, values, moves)
        if progress is not None:
            progress(part.name, step + 1, settings.steps)
    return Learnt(values, errors[0], errors[-1])


def _move(
    step: int,
    least: float,
    slope: Float[np.ndarray, "*shape"],
    square: Float[np.ndarray, "*shape"],
    gradient: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Return how far every entry moves, in units of the rate."""
    fair = np.sqrt(square / (1 - _SECOND ** (step + 1)))
    floor = least * np.sqrt(np.mean(gradient**2)) if gradient.size else 0.0
    return slope / (1 - _FIRST ** (step + 1)) / (fair + floor)


def _numpy(values: Values) -> Values:
    return jax.tree.map(lambda v: np.asarray(v, np.float64), values)


def _as_dtype(values: Values, dtype: str) -> Values:
    return jax.tree.map(lambda v: engine.as_dtype(v, dtype), values)


def save(learnt: Learnt, checkpoint: training.Checkpoint) -> None:
    """Write what was learnt beside the sums of an unfinished fit."""
    own = checkpoint.of_pass("learnt")
    if own.path is not None:
        errors = {"before": np.array(learnt.before), "after": np.array(learnt.after)}
        values = {f"values_{n}": v for n, v in enumerate(jax.tree.leaves(learnt.values))}
        training.write(own.path, {"identity": np.array(own.identity), **errors, **values})


def load(checkpoint: training.Checkpoint, like: Values) -> Learnt | None:
    """Return what `save` wrote in an earlier run, values in the form of `like`; None where there is
    nothing to continue."""
    own = checkpoint.of_pass("learnt")
    if not own.resume or own.path is None or not own.path.exists():
        return None
    arrays = training.read(own.path, own.identity)
    form = jax.tree.structure(like)
    values = [arrays[f"values_{n}"] for n in range(form.num_leaves)]
    before, after = float(arrays["before"]), float(arrays["after"])
    return Learnt(jax.tree.unflatten(form, values), before, after)


def _turns(frames: Sequence[Frame], about: int) -> list[Sequence[Frame]]:
    """Return the frames of one step after the other, all of them by turns.

    What is learnt has thousands of numbers: from the same few frames at every step it would fit
    what the halves happen to hold.
    """
    rows = sum(3 * len(frame) for frame in frames)
    count = min(max(1, round(rows / about)), len(frames) // _FEWEST)
    return [frames[turn::count] for turn in range(count)]


def _data(frames: Sequence[Frame], build: engine.Builder, group_by: str) -> _Data:
    counts = np.array(
        [[np.sum(f.structure.numbers == z) for z in build.elements] for f in frames], float
    )
    project = np.eye(len(frames)) - counts @ np.linalg.pinv(counts, rcond=_DISTINCT)
    project *= np.sqrt(_ENERGY_WEIGHT / counts.sum(axis=1).mean())
    around = [build(frame.structure) for frame in frames]
    energies = np.array([frame.labels.energy for frame in frames], float)
    half = _parity(frames, group_by)
    return _Data(frames, around, len(build.elements), half, project @ energies, project)


def _parity(frames: Sequence[Frame], group_by: str) -> Int[np.ndarray, " n_frame"]:
    """Return the half of every frame."""
    if group_by:
        names = [str(frame.info[group_by]) for frame in frames]
        order = {name: number for number, name in enumerate(dict.fromkeys(names))}
        if len(order) > 1:
            return np.array([order[name] % 2 for name in names])
    runs = max(2, min(_RUNS, len(frames) // 2))
    return np.arange(len(frames)) * runs // len(frames) % 2


def _layers(network: Reservoir) -> list[DensityLayer]:
    """Return everything that reads the neighbour densities."""
    return [network.layer, network.skip.layer]


def _blocks(network: Reservoir) -> Float[Array, "n_degree n_species n_function n_function"]:
    """Return what the radial functions are combined by."""
    return jnp.stack([mv.blocks for mv in network.layer.mixing if isinstance(mv, Combined)])


def _with_blocks(network: Reservoir, blocks: Values) -> Reservoir:
    """Return the network behind other radial functions."""

    def where(n: Reservoir) -> list:
        return [mv.blocks for layer in _layers(n) for mv in layer.mixing]  # pyright: ignore[reportAttributeAccessIssue]

    return eqx.tree_at(where, network, list(blocks) * len(_layers(network)))


def _beside(network: Reservoir) -> Beside:
    """Return what the channels and messages beside the chip are made of."""
    own = [mv.channels for mv in network.skip.layer.mixing if isinstance(mv, Channels)]
    found = Beside.nothing()._replace(channels=jnp.stack(own))
    message = network.message
    if not isinstance(message, TrainedMessage):
        return found
    return found._replace(
        scalar_channels=message.scalar_channels,
        vector_channels=message.vector_channels,
        telling=message.telling.weight,
        vectors=message.vectors,
    )


def _with_beside(network: Reservoir, values: Beside) -> Reservoir:
    """Return the network with other channels and messages beside the chip."""

    def where(n: Reservoir) -> list:
        own = [mv.channels for mv in n.skip.layer.mixing]  # pyright: ignore[reportAttributeAccessIssue]
        m = n.message
        if isinstance(m, TrainedMessage):
            own += [m.scalar_channels, m.vector_channels, m.telling.weight, m.vectors]
        return own

    new = list(values.channels)
    if isinstance(network.message, TrainedMessage):
        new += [values.scalar_channels, values.vector_channels, values.telling, values.vectors]
    return eqx.tree_at(where, network, new)


RADIAL = Part("radial functions", _blocks, _with_blocks, floor=1e-3)
BESIDE = Part("trained channels", _beside, _with_beside, floor=0.1)


def _units(network: Reservoir, data: _Data) -> Float[np.ndarray, "n_species n_feature"]:
    """Return one over the spread of every feature; 0 for features that do not vary."""
    values, species = [], []
    for frame, around in zip(data.frames, data.around, strict=True):
        values.append(np.asarray(engine.features(network, around, None), float)[: len(frame)])
        species.append(np.asarray(around.full.species)[: len(frame)])
    seen, element = np.concatenate(values), np.concatenate(species)
    own = (seen[element == s] for s in range(data.n_species))
    spread = np.stack([v.std(axis=0) if len(v) else np.zeros(v.shape[1]) for v in own])
    alive = spread > 1e-6 * spread.max()
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=alive)


def _halves(
    network: Reservoir, data: _Data, scale: Float[np.ndarray, "n_species n_feature"]
) -> tuple[Half, Half]:
    """Return the rows of both halves: forces frame by frame, then energies."""
    energies, forces = [], []
    for frame, around in zip(data.frames, data.around, strict=True):
        rows = assemble(
            around, data.n_species, engine.as_numpy(engine.design(network, around, None))
        )
        energies.append((rows.energy * scale).ravel())
        own = rows.forces.reshape(3 * len(frame), -1)
        forces.append(own * scale.ravel().astype(own.dtype))
    energy = data.project @ np.stack(energies)
    halves = []
    for h in range(2):
        mine = np.flatnonzero(data.half == h).tolist()
        force = np.concatenate([forces[i] for i in mine])
        rows = np.concatenate([force, energy[mine].astype(force.dtype)])
        targets = [*(data.forces(i) for i in mine), data.energies[mine]]
        halves.append(Half(rows, np.concatenate(targets), len(force)))
    return halves[0], halves[1]


def _strength(halves: tuple[Half, Half], last: float | None) -> float:
    """Return the prior precision under which the halves predict each other best."""
    typical = float(np.mean([np.diagonal(half.gram).mean() for half in halves]))
    tried = typical * _STRENGTHS
    if last is not None:
        tried = np.maximum(last * np.array([0.25, 1.0, 4.0]), typical * _WEAKEST)
    errors = [crossed(halves, float(value)).error for value in tried]
    return float(tried[int(np.argmin(errors))])


def _gradient(
    network: Reservoir,
    part: Part,
    data: _Data,
    halves: tuple[Half, Half],
    found: Crossed,
    scale: Float[np.ndarray, "n_species n_feature"],
) -> Values:
    """Return the derivative of the error between the halves by the values of `part`."""
    dtype = network.layer.decay.dtype.name
    vectors = np.concatenate([found.weights, found.adjoint])
    weights = engine.as_dtype(vectors.reshape(4, data.n_species, -1) * scale, dtype)
    by_forces: dict[int, np.ndarray] = {}
    by_energy = np.zeros((4, len(data.frames)))
    for h, own in enumerate(cotangents(halves, found)):
        mine = np.flatnonzero(data.half == h).tolist()
        both = np.concatenate([own.by_weights, own.by_adjoint])
        ends = np.cumsum([3 * len(data.frames[i]) for i in mine])
        *parts, by_energy[:, mine] = np.split(both, ends, axis=1)
        by_forces |= dict(zip(mine, parts, strict=True))
    by_energy = by_energy @ data.project
    values = part.take(network)
    total = jax.tree.map(lambda v: np.zeros(v.shape), values)
    for i, around in enumerate(data.around):
        n_atom = len(around.full.species)
        padded = np.zeros((4, n_atom, 3))
        padded[:, : len(data.frames[i])] = by_forces[i].reshape(4, -1, 3)
        cotangent = engine.as_dtype(by_energy[:, i], dtype), engine.as_dtype(padded, dtype)
        own = _pull(values, network, part, around, weights, cotangent)
        total = jax.tree.map(np.add, total, _numpy(own))
    return total


@eqx.filter_jit
def _pull(
    values: Values,
    network: Reservoir,
    part: Part,
    around: Surroundings,
    weights: Float[Array, "k n_species n_feature"],
    cotangent: tuple[Float[Array, " k"], Float[Array, "k n_atom 3"]],
) -> Values:
    """Return the derivative of cotangent · (energies, forces) of several readouts."""
    _, back = jax.vjp(lambda v: _predicted(part.put(network, v), around, weights), values)
    return back(cotangent)[0]


def _predicted(
    network: Reservoir, around: Surroundings, weights: Float[Array, "k n_species n_feature"]
) -> tuple[Float[Array, " k"], Float[Array, "k n_atom 3"]]:
    """Return energies and forces of one structure for several readouts."""
    energies, gradient = network.spread(around, weights)
    forces = _collected(around.full, gradient.full)
    if around.near is not None and gradient.near is not None:
        forces = forces + _collected(around.near, gradient.near)
    return jnp.where(around.full.atom_mask, energies, 0).sum(-1), forces


def _collected(
    graph: Graph, gradient: Float[Array, "k n_atom n_neighbour 3"]
) -> Float[Array, "k n_atom 3"]:
    """Return the forces that the derivatives by the pair vectors of a graph add up to."""
    pull = jnp.where(graph.pair_mask[..., None], gradient, 0)
    back = pull.reshape(len(pull), -1, 3)
    return pull.sum(2).at[:, jnp.asarray(graph.neighbour).reshape(-1)].add(-back)
