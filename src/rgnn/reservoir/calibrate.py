"""Set the few numbers of the frozen network that depend on the data."""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import numpy as np
from jaxtyping import Float

from rgnn.crossbar.build import Block, Periphery
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.blueprint import Blueprint
from rgnn.reservoir.build import Calibration, assemble
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.reservoir import Inputs, Reservoir, Surroundings
from rgnn.reservoir.whitening import whitening

_HEADROOM = 1.1
"""Input ranges exceed the largest activation seen by this factor."""

_STEEPNESS = 0.7
"""Scalars use the bend of tanh: their typical argument."""

Sample = Sequence[tuple[Surroundings, int]]
"""Surroundings and how many of their atoms are real."""


def calibrate(
    config: ReservoirConfig,
    design: Blueprint,
    reference_distance: Float[np.ndarray, "n_species n_species"],
    blocks: Sequence[Block],
    sample: Sample,
    dtype: str,
    radial: Float[np.ndarray, "_degree _species _function _function"],
    beside: Beside,
) -> Calibration:
    """Return input ranges and the scales of the message step, from sampled surroundings.

    `radial` holds learnt radial functions, `beside` what is trained beside the chip; both may be
    empty.

    Noise-free passes through the network: one for the densities and the source of the messages,
    another where the densities are whitened, and one more for the message densities, which depend
    on how the scalars were centred.
    """
    n_scalar = config.message.receiver.n_read if config.message.scalars else 0
    start = Calibration(
        reference_distance,
        np.ones(sum(n_in for _, n_in in design.all_shapes)),
        np.ones(len(design.source_widths)),
        np.zeros(n_scalar),
        np.ones(n_scalar),
        radial=radial,
        beside=beside,
    )
    if not design.all_shapes:
        return start  # nothing on the chip, nothing to calibrate
    seen = _inputs(config, start, blocks, sample, dtype)
    if config.whiten:
        drives = [[np.asarray(rho) for rho in frame.densities] for frame in seen]
        start = replace(start, white=whitening(drives, len(reference_distance), config.whiten))
        seen = _inputs(config, start, blocks, sample, dtype)
    density = _peaks([frame.densities for frame in seen])
    if "density" in design.digital:
        density = density[:0]  # limits are those of lines on the chip
    if not n_scalar:
        return replace(start, limits=_HEADROOM * density)
    source = np.concatenate(
        [np.asarray(frame.source)[:real] for frame, (_, real) in zip(seen, sample, strict=True)]
    )
    scalars, scaled = _centred(start, design, blocks, source)
    if design.heard:
        vectors = _vector_scale(seen, sample)
        return replace(scalars, limits=_HEADROOM * density, vector_scale=vectors)
    later = _inputs(config, scalars, blocks, sample, dtype)
    pairs = _peaks([[frame.edge] for frame in later]) if design.shapes["edge"] else np.zeros(0)
    message = _peaks([frame.messages for frame in later])
    peaks = np.concatenate([density, density, np.abs(scaled).max(axis=0), pairs, message])
    return replace(scalars, limits=_HEADROOM * peaks)


def _centred(
    start: Calibration,
    design: Blueprint,
    blocks: Sequence[Block],
    source: Float[np.ndarray, "n_atom n_source"],
) -> tuple[Calibration, Float[np.ndarray, "n_atom n_source"]]:
    """Return scales of the invariants that messages are read from, centres and steepness of what
    is read; and the scaled invariants."""
    widths = design.source_widths
    if design.heard:
        projection = np.asarray(start.beside.telling).mean(axis=0)  # alike before they are learnt
    else:
        arrays = len(design.shapes["density"]) + len(design.shapes["source"])
        projection = blocks[arrays].weight
    scale = 1 / np.maximum(_rms_by_run(source, widths), 1e-12)
    scaled = source * np.repeat(scale, widths) / np.sqrt(sum(widths))
    read = scaled @ projection.T
    found = replace(
        start,
        source_scale=scale,
        scalar_centre=read.mean(axis=0),
        scalar_steepness=_STEEPNESS / np.maximum(read.std(axis=0), 1e-12),
    )
    return found, scaled


def _vector_scale(seen: Sequence[Inputs], sample: Sample) -> Float[np.ndarray, " _one"]:
    """Return the scale under which vectors are of the order of one; none where none are said."""
    densities = [
        np.asarray(frame.first_degree)[:, :real]
        for frame, (_, real) in zip(seen, sample, strict=True)
        if frame.first_degree is not None
    ]
    if not densities:
        return np.zeros(0)
    found = np.concatenate(densities, axis=1)
    return np.array([1 / np.sqrt(max(np.square(found).sum(axis=-1).mean(), 1e-24))])


@eqx.filter_jit
def _network_inputs(network: Reservoir, around: Surroundings) -> Inputs:
    return network.inputs(around)


def _inputs(
    config: ReservoirConfig,
    calibration: Calibration,
    blocks: Sequence[Block],
    sample: Sample,
    dtype: str,
) -> list[Inputs]:
    network = assemble(config, calibration, blocks, Periphery("exact"), dtype)
    return [_network_inputs(network, around) for around, _ in sample]


def _peaks(frames: Sequence[Sequence]) -> Float[np.ndarray, " n_line"]:
    """Return the largest magnitude on every line, matrix after matrix; tiny where there is none."""

    def by_line(inputs) -> Float[np.ndarray, " n_in"]:
        return np.abs(np.asarray(inputs)).reshape(-1, inputs.shape[-1]).max(axis=0, initial=0)

    peaks = np.max([np.concatenate([by_line(a) for a in frame]) for frame in frames], axis=0)
    return np.where(peaks > 0, peaks, 1e-6 * max(float(peaks.max()), 1e-12))


def _rms_by_run(
    values: Float[np.ndarray, "n_atom n_source"], widths: Sequence[int]
) -> Float[np.ndarray, " n_run"]:
    runs = np.split(values, np.cumsum(widths)[:-1], axis=1)
    return np.array([np.sqrt(np.square(run).mean()) for run in runs])
