"""From a configuration and a chip to a reservoir."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rgnn.crossbar.build import Block, Periphery
from rgnn.crossbar.channels import Channels
from rgnn.crossbar.combined import Combined
from rgnn.crossbar.lines import of_outputs
from rgnn.crossbar.matvec import AbstractMatVec, Exact
from rgnn.crossbar.places import mount_by_line
from rgnn.graph.radial import RadialBasis
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.blueprint import (
    Blueprint,
    blueprint,
    density_weights,
    keeping,
    radial_weights,
)
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.layer import DensityLayer, Repeats
from rgnn.reservoir.message import MessageLayer
from rgnn.reservoir.reservoir import Reservoir
from rgnn.reservoir.skip import Skip
from rgnn.reservoir.trained_message import Telling, TrainedMessage


@dataclass(frozen=True, eq=False)
class Calibration:
    """The few numbers of the frozen network that are set on training data."""

    reference_distance: Float[np.ndarray, "n_species n_species"]
    """Where radial functions of a pair of elements resolve best [Å]."""
    limits: Float[np.ndarray, " n_line"]
    """Input range of every line of every matrix, matrices in the order they are cut."""
    source_scale: Float[np.ndarray, " n_source_product"]
    """Scale of the invariants that messages are read from, one per product."""
    scalar_centre: Float[np.ndarray, " n_scalar"]
    scalar_steepness: Float[np.ndarray, " n_scalar"]
    vector_scale: Float[np.ndarray, " _one"] = field(default_factory=lambda: np.zeros(0))
    """Scale of the densities that vectors of trained messages are made of; empty without any."""
    kept: Int[np.ndarray, " n_kept"] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Invariants of the pool that the network keeps; empty where it keeps them all."""
    radial: Float[np.ndarray, "_degree _species _function _function"] = field(
        default_factory=lambda: np.zeros((0, 0, 0, 0))
    )
    """Learnt radial functions: what degree l and neighbours of an element send down line n is
    Σ_k R_k radial[l, element, k, n]. Empty where the functions are taken as they come."""
    beside: Beside = field(default_factory=Beside.nothing)
    """What is trained beside the chip."""
    white: Float[np.ndarray, "_degree _species _function _function"] = field(
        default_factory=lambda: np.zeros((0, 0, 0, 0))
    )
    """What turns the densities into components of one size on their way to the chip, as `radial`
    and after it; empty where they are taken as they come."""

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        parts = (self.reference_distance, self.limits, self.source_scale, self.scalar_centre)
        learnt = (self.scalar_steepness, self.vector_scale, self.kept, self.radial, self.white)
        return sum(p.size for p in (*parts, *learnt, *self.beside))

    @property
    def driving(self) -> Float[np.ndarray, "_degree _species _function _function"]:
        """Return how radial functions are combined before they drive the chip; empty if not."""
        if not self.radial.size:
            return self.white
        return self.radial @ self.white if self.white.size else self.radial


def assemble(
    config: ReservoirConfig,
    calibration: Calibration,
    blocks: Sequence[Block],
    periphery: Periphery,
    dtype: str,
) -> Reservoir:
    """Return the reservoir on the given rung; `blocks` in the order of `Blueprint.all_shapes`,
    with the lines that `calibration` keeps."""
    pool = blueprint(config, len(calibration.reference_distance))
    design, _ = keeping(pool, calibration.kept)
    lines = np.cumsum([n_in for _, n_in in design.all_shapes])[:-1]
    mounted = iter(
        mount_by_line(block, periphery, limits=limits, dtype=dtype)
        for block, limits in zip(blocks, np.split(calibration.limits, lines), strict=True)
    )
    arrays = {name: tuple(next(mounted) for _ in group) for name, group in design.shapes.items()}
    reference = jnp.asarray(calibration.reference_distance, dtype)
    for name, matrices in design.digital.items():
        arrays[name] = tuple(Exact(jnp.asarray(matrix, dtype)) for matrix in matrices)
    arrays |= {
        name: _shaped(arrays[name], calibration.driving, dtype)
        for name in ("density", "source")
        if name in arrays
    }
    inputs = len(reference) * config.n_function
    radial = RadialBasis(reference, config.cutoff, config.n_function, config.near)
    decay = _decay(density_weights(config), inputs, dtype)
    repeats = Repeats(config.activation_reads, config.derivative_reads)
    layer = DensityLayer(radial, decay, arrays["density"], repeats)
    picks = _beside(design, calibration, dtype)
    beside = _shaped(picks, calibration.radial, dtype)
    skip = Skip(DensityLayer(radial, decay, beside), design.skip)
    if not config.message.scalars:
        return Reservoir(layer, skip, design.own)
    message = _message(config, calibration, design, arrays, layer, dtype)
    return Reservoir(layer, skip, design.own, message, design.heard or design.message)


def lines_read(
    pool: Blueprint, blocks: Sequence[Block], kept: Int[np.ndarray, " n_kept"]
) -> list[Block]:
    """Return the cells behind the lines that a network of the kept invariants reads."""
    _, read = keeping(pool, kept)
    return [of_outputs(block, lines) for block, lines in zip(blocks, read, strict=True)]


def _message(
    config: ReservoirConfig,
    calibration: Calibration,
    design: Blueprint,
    arrays: dict[str, tuple[AbstractMatVec, ...]],
    layer: DensityLayer,
    dtype: str,
) -> MessageLayer | TrainedMessage:
    m, widths = config.message, design.source_widths
    said = (
        np.repeat(calibration.source_scale, widths) / np.sqrt(sum(widths)),
        calibration.scalar_centre,
        calibration.scalar_steepness,
    )
    scale, centre, steepness = (jnp.asarray(array, dtype) for array in said)
    n_value = m.scalars + 3 * m.vectors
    radial = RadialBasis(layer.radial.reference_distance, m.cutoff, m.n_radial)
    decay = _decay(radial_weights(m.n_radial, config.decay), n_value * m.n_radial, dtype)
    if design.heard:
        own = calibration.beside
        return TrainedMessage(
            telling=Telling(jnp.asarray(own.telling, dtype), scale, centre, steepness),
            vectors=jnp.asarray(own.vectors, dtype),
            vector_scale=jnp.asarray(calibration.vector_scale.sum(), dtype),  # none without vectors
            radial=radial,
            decay=decay,
            scalar_channels=jnp.asarray(own.scalar_channels, dtype),
            vector_channels=jnp.asarray(own.vector_channels, dtype),
            wiring=design.heard_wiring,
        )
    return MessageLayer(
        source=DensityLayer(layer.radial, layer.decay, arrays["source"], layer.repeats),
        source_plan=design.source,
        source_scale=scale,
        projection=arrays["projection"][0],
        centre=centre,
        steepness=steepness,
        receiver=m.receiver,
        edge=next(iter(arrays.get("edge", ())), None),
        radial=radial,
        decay=decay,
        mixing=arrays["message"],
        repeats=layer.repeats,
    )


def _beside(design: Blueprint, calibration: Calibration, dtype: str) -> tuple[AbstractMatVec, ...]:
    """Return the digital matrices of the products that go around the chip, by degree."""
    if not design.wiring:
        return tuple(Exact(jnp.asarray(matrix, dtype)) for matrix in design.skip_mixing)
    return _channelled(design.skip_mixing, calibration.beside.channels, design.wiring, dtype)


def _channelled(
    picks: Sequence[Float[np.ndarray, "_ n_in"]],
    channels: Float[Array | np.ndarray, "n_degree n_channel n_in"],
    wiring: Sequence[tuple[int, ...]],
    dtype: str,
) -> tuple[Channels, ...]:
    """Return what picks single inputs and mixes channels, by degree."""
    return tuple(
        Channels(picks=jnp.asarray(one, dtype), channels=jnp.asarray(many, dtype), wiring=own)  # pyright: ignore[reportCallIssue]
        for one, many, own in zip(picks, channels, wiring, strict=True)
    )


def _shaped(
    arrays: tuple[AbstractMatVec, ...],
    blocks: Float[np.ndarray, "_degree _species _function _function"],
    dtype: str,
) -> tuple[AbstractMatVec, ...]:
    """Return the arrays behind combined radial functions, where there are any."""
    if not blocks.size:
        return arrays
    return tuple(
        Combined(array=mv, blocks=jnp.asarray(own, dtype))  # pyright: ignore[reportCallIssue]
        for mv, own in zip(arrays, blocks, strict=True)
    )


def _decay(
    weights: Float[np.ndarray, " n_radial"], inputs: int, dtype: str
) -> Float[Array, " n_radial"]:
    """Return the weights of the radial functions; a mixed density is of the order of one input."""
    return jnp.asarray(weights / np.sqrt(inputs), dtype)
