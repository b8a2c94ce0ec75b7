"""Train a force field: calibrate the network on the data, stream the frames, solve."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.crossbar.build import Block, Periphery, cut, macros_needed
from rgnn.device.chip import Chip
from rgnn.graph.neighbours import pairs_within
from rgnn.reservoir.beside import Beside, drawn
from rgnn.reservoir.blueprint import Blueprint, blueprint, keeping
from rgnn.reservoir.build import Calibration, assemble, lines_read
from rgnn.reservoir.calibrate import calibrate
from rgnn.reservoir.reservoir import Reservoir
from rgnn.tasks.force import baseline, engine, groups, learning, readout, selection, training
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.gate import Gate, Gated, Network, gated, wider
from rgnn.tasks.force.model import ForceField
from rgnn.tasks.force.readout import Readout
from rgnn.tasks.force.refine import refine
from rgnn.tasks.force.training import Progress, Sums

_SAMPLE = 32
"""Frames looked at to set reference distances and input ranges."""

_GATE_BODY_ORDER = 3
"""Invariants read off the chip up to this body order, and all that go around it, make the gate:
cheap, and few enough to train."""

_CLOSE = 5.0
"""Percentile of pair distances that counts as the reference distance of a pair of elements."""


def fit(
    frames: Sequence[Frame],
    *,
    chip: Chip | None,
    seed: int,
    config: ForceConfig,
    prior: ForceField | None,
    progress: Progress | None,
    checkpoint: Path | None,
    resume: bool,
) -> ForceField:
    """Return the force field trained on `frames`."""
    if not frames:
        raise InputError("no training frames")
    groups.check(frames, config.uncertainty.group_by)
    elements = tuple(sorted({int(z) for frame in frames for z in frame.structure.numbers}))
    if prior is not None:
        elements, chip = _shared_network(prior, elements, config, chip)
    design = blueprint(config.reservoir, len(elements))
    chip = _enough(chip, design.all_shapes, seed)
    blocks = cut(chip, design.all_shapes)
    resumed = training.Checkpoint(checkpoint, resume, identity(frames, chip, config, seed))
    frames, config, missed = _without_baseline(frames, config, progress, resumed)
    course = _Course(frames, elements, config, seed, progress)
    with engine.arithmetic(config.precision):
        if prior is not None:
            return _with_prior(course, prior, chip, design, blocks, resumed, missed)
        calibration, gained = _calibrated(course, design, blocks, resumed)
        network = course.mount(calibration, blocks)
        sums = course.sums(network, resumed)
        if config.reservoir.candidates > 1:
            calibration, sums = _selected(calibration, sums, course, network)
        kinds = _kinds(network.skip_widths, design, calibration)
        trained, gate = course.readout(sums, kinds), None
        del sums
        if config.gate.rounds:
            narrow = course.mount(calibration, lines_read(design, blocks, calibration.kept))
            gate, trained = _refined(course, narrow, trained, kinds, resumed)
    trained = replace(trained, summary=trained.summary | missed | gained)
    return ForceField(config, elements, chip, calibration, trained, gate)


def _without_baseline(
    frames: Sequence[Frame],
    config: ForceConfig,
    progress: Progress | None,
    checkpoint: training.Checkpoint,
) -> tuple[Sequence[Frame], ForceConfig, dict[str, float]]:
    """Return what is left to the network of the frames' labels, with the scale of the baseline
    settled, and how much that is."""
    if config.baseline.method == "none":
        return frames, config, {}
    known = baseline.compute_all(frames, config.baseline, progress, checkpoint.of_pass("baseline"))
    scale = config.baseline.scale or baseline.best_scale(frames, known)
    differences = baseline.without(frames, known, scale)
    settled = replace(config, baseline=replace(config.baseline, scale=scale))
    return differences, settled, baseline.left_over(frames, differences)


@dataclass(frozen=True, eq=False)
class _Course:
    """What stays the same from one pass over the training frames to the next."""

    frames: Sequence[Frame]
    elements: tuple[int, ...]
    config: ForceConfig
    seed: int
    progress: Progress | None

    @cached_property
    def build(self) -> engine.Builder:
        """Return the builder of the frames' surroundings."""
        return engine.Builder(self.elements, self.config.reservoir)

    @cached_property
    def groups(self) -> dict[int, int]:
        """Return the group of every frame that is left out."""
        reads = self.config.reads if self.config.periphery.rung == "crossbar" else 1
        return groups.to_leave_out(self.frames, self.config.uncertainty, reads)

    def mount(self, calibration: Calibration, blocks: Sequence[Block]) -> Reservoir:
        """Return the network on the rung of the configuration."""
        c = self.config
        return assemble(c.reservoir, calibration, blocks, c.periphery, c.precision)

    def sums(self, network: Network, checkpoint: training.Checkpoint) -> Sums:
        """Return the sums over all frames of what this network reads of them."""
        return training.accumulate(
            network,
            self.frames,
            self.build,
            reads=self.config.reads,
            use_stress=self.config.use_stress,
            keep=self.groups,
            seed=self.seed,
            progress=self.progress,
            checkpoint=checkpoint,
        )

    def readout(
        self, sums: Sums, kinds: Int[np.ndarray, " n"], prior: Readout | None = None
    ) -> Readout:
        """Return the readout these sums determine."""
        return readout.train(
            sums,
            self.frames,
            self.elements,
            self.groups,
            kinds,
            self.config,
            prior=prior,
            seed=self.seed,
            progress=self.progress,
        )


def _with_prior(
    course: _Course,
    prior: ForceField,
    chip: Chip,
    design: Blueprint,
    blocks: Sequence[Block],
    checkpoint: training.Checkpoint,
    missed: dict[str, float],
) -> ForceField:
    """Return the force field that shares network and gate with the prior."""
    network = course.mount(prior.calibration, lines_read(design, blocks, prior.calibration.kept))
    kinds = _kinds(network.skip_widths, design, prior.calibration)
    own: Network = network
    if prior.gate is not None:
        own, kinds = gated(network, prior.gate), wider(kinds, len(kinds))
    trained = course.readout(course.sums(own, checkpoint), kinds, prior.readout)
    trained = replace(trained, summary=trained.summary | missed)
    return ForceField(course.config, course.elements, chip, prior.calibration, trained, prior.gate)


def _refined(
    course: _Course,
    network: Reservoir,
    start: Readout,
    kinds: Int[np.ndarray, " n_feature"],
    checkpoint: training.Checkpoint,
) -> tuple[Gate | None, Readout]:
    """Return gate and readout trained by alternating least squares from a linear readout."""
    key = keys.child(keys.root(course.seed), "gate") if network.noisy else None
    features, species = [], []
    for frame in _spread_out(course.frames, _SAMPLE):
        around = course.build(frame.structure)
        values = np.asarray(engine.features(network, around, key), np.float64)
        features.append(values[: len(frame)])
        species.append(np.asarray(around.full.species[: len(frame)]))
    seen = np.concatenate(features), np.concatenate(species)
    few_body = sum(p.width for p in network.plan if p.body_order <= _GATE_BODY_ORDER)
    passes = count(1)

    def solve(own: Gated, kinds: Int[np.ndarray, " n"]) -> Readout:
        return course.readout(course.sums(own, checkpoint.of_pass(next(passes))), kinds)

    n_gate, rounds = network.n_skip + few_body, course.config.gate.rounds
    return refine(network, start, kinds, seen, n_gate, rounds, solve)


def identity(frames: Sequence[Frame], chip: Chip, config: ForceConfig, seed: int) -> str:
    """Return a checksum of everything the sums over training frames depend on."""
    energies = [frame.labels.energy for frame in frames]
    device = (chip.noise, chip.wiring, chip.wires, chip.unit_weight)
    found = hashlib.sha256(repr((config, seed, device, energies)).encode())
    arrays = [chip.conductance]
    for frame in frames:
        arrays += [frame.structure.positions, frame.structure.numbers, frame.structure.cell]
        arrays += [a for a in (frame.labels.forces, frame.labels.stress) if a is not None]
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _shared_network(
    prior: ForceField, elements: Sequence[int], config: ForceConfig, chip: Chip | None
) -> tuple[tuple[int, ...], Chip]:
    """Return elements and chip of the prior, whose network the new readout must share."""
    unknown = sorted(set(elements) - set(prior.elements))
    if unknown:
        raise InputError(f"the prior model does not know the elements {unknown}")
    if config.reservoir != prior.config.reservoir:
        raise InputError("the prior model has another reservoir; use its configuration")
    if config.baseline != prior.config.baseline:
        asked, own = (f"{b.method} × {b.scale:g}" for b in (config.baseline, prior.config.baseline))
        raise InputError(
            f"the prior model has another baseline ({own}) than the fit ({asked}), or the same one "
            "with other settings: use the same for both; a fit by command takes the prior's if "
            "--baseline is left out"
        )
    if chip is not None and not np.array_equal(
        chip.conductance[: len(prior.chip.conductance)], prior.chip.conductance
    ):
        raise InputError("the prior model lives on another chip; leave the chip out")
    return prior.elements, prior.chip if chip is None else chip


def _selected(
    calibration: Calibration, sums: Sums, course: _Course, network: Reservoir
) -> tuple[Calibration, Sums]:
    """Return the calibration that keeps the worthiest columns of the pool, and their sums."""
    skip = network.n_skip
    widths = tuple(network.widths[len(network.skip_widths) :])
    pool = selection.Pool(skip, widths, sum(widths) // course.config.reservoir.candidates)
    kept = selection.choose(
        sums, course.frames, course.elements, pool, seed=course.seed, progress=course.progress
    )
    return replace(calibration, kept=kept), selection.narrow(sums, kept, skip)


def _kinds(
    skip: Sequence[int], pool: Blueprint, calibration: Calibration
) -> Int[np.ndarray, " n_feature"]:
    """Return the kind of every feature of the network: the skip, then product by product."""
    widths = [*skip, *keeping(pool, calibration.kept)[0].widths]
    return np.repeat(np.arange(len(widths)), widths)


def _calibrated(
    course: _Course, design: Blueprint, blocks: Sequence[Block], checkpoint: training.Checkpoint
) -> tuple[Calibration, dict[str, float]]:
    """Return the calibration of the network, and what learning its digital parts gained.

    Ranges are set on frames spread over the training set, once more behind learnt functions.
    """
    config, sample = course.config, _spread_out(course.frames, _SAMPLE)
    distances = reference_distances(sample, course.elements, config.reservoir.cutoff)
    around = [(course.build(frame.structure), len(frame)) for frame in sample]
    none = np.zeros((0, 0, 0, 0))

    def calibrated(
        functions: Float[np.ndarray, "_degree _species n n"],
        beside: Beside,
    ) -> Calibration:
        settings, dtype = config.reservoir, config.precision
        return calibrate(settings, design, distances, blocks, around, dtype, functions, beside)

    first = drawn(config.reservoir, design.source_widths, len(course.elements), course.seed)
    plain = calibrated(none, first)
    if config.reservoir.trained.channels and config.channels.steps:
        learnt = _learnt(course, learning.BESIDE, plain, design, blocks, checkpoint)
        return replace(plain, beside=learnt.values), _gained(learnt)
    if not config.radial.steps:
        return plain, {}
    one = np.eye(config.reservoir.n_function)
    start = replace(
        plain, radial=np.tile(one, (config.reservoir.lmax + 1, len(course.elements), 1, 1))
    )
    learnt = _learnt(course, learning.RADIAL, start, design, blocks, checkpoint)
    return calibrated(learnt.values, plain.beside), _gained(learnt)


def _gained(learnt: learning.Learnt) -> dict[str, float]:
    return {
        "halves_force_rmse_before": learnt.before,
        "halves_force_rmse_after": learnt.after,
    }


def _learnt(
    course: _Course,
    part: learning.Part,
    start: Calibration,
    design: Blueprint,
    blocks: Sequence[Block],
    checkpoint: training.Checkpoint,
) -> learning.Learnt:
    """Return what is learnt on noise-free reads of a part of the network, or was before."""
    c = course.config
    settings = c.radial if part is learning.RADIAL else c.channels
    share = min(1.0, settings.features / sum(design.widths))
    ends = np.cumsum(design.widths)
    kept = np.concatenate(
        [
            np.arange(end - width, end - width + int(np.ceil(share * width)))
            for end, width in zip(ends, design.widths, strict=True)
        ]
    )
    lines = lines_read(design, blocks, kept)
    # Beside the frozen network as exact reads want it.
    calibration = replace(start, kept=kept, white=np.zeros((0, 0, 0, 0)))
    network = assemble(c.reservoir, calibration, lines, Periphery("exact"), c.precision)
    found = learning.load(checkpoint, part.take(network))
    if found is not None:
        return found
    by, build = c.uncertainty.group_by, course.build
    found = learning.learn(network, part, course.frames, build, by, settings, course.progress)
    learning.save(found, checkpoint)
    return found


def reference_distances(
    frames: Sequence[Frame], elements: Sequence[int], cutoff: float
) -> Float[np.ndarray, "n_species n_species"]:
    """Return a short typical distance [Å] of every pair of elements, symmetric.

    Pairs never met within the cutoff get the mean of the others.
    """
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for frame in frames:
        pairs = pairs_within(frame.structure, cutoff)
        distance = np.linalg.norm(pairs.vector, axis=1)
        index = np.searchsorted(elements, frame.structure.numbers)
        for a in range(len(elements)):
            for b in range(a, len(elements)):
                own = (index[pairs.centre] == a) & (index[pairs.neighbour] == b)
                found.setdefault((a, b), []).append(distance[own])
    table = np.full((len(elements), len(elements)), np.nan)
    for (a, b), parts in found.items():
        distances = np.concatenate(parts)
        if len(distances):
            table[a, b] = table[b, a] = np.percentile(distances, _CLOSE)
    fallback = np.nanmean(table) if np.isfinite(table).any() else cutoff / 2
    return np.where(np.isfinite(table), table, fallback)


def _enough(chip: Chip | None, shapes: Sequence[tuple[int, int]], seed: int) -> Chip:
    """Return the chip cut down to the macros the model needs; sampled where none is given.

    Conductances are rounded to single precision, in which they are stored.
    """
    if chip is None:
        chip = Chip.sample(seed=seed)
        chip = Chip.sample(seed=seed, macros=max(1, macros_needed(chip, shapes)))
    used = chip.conductance[: max(1, macros_needed(chip, shapes))]
    return replace(chip, conductance=used.astype(np.float32).astype(np.float64))


def _spread_out(frames: Sequence[Frame], count: int) -> list[Frame]:
    index = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(int))
    return [frames[i] for i in index]
