"""From a configuration and a chip to a reservoir."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.crossbar.build import Block, Periphery
from rgnn.crossbar.matvec import AbstractMatVec
from rgnn.crossbar.places import mount_by_line
from rgnn.graph.radial import RadialBasis
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.layer import DensityLayer
from rgnn.reservoir.message import MessageLayer
from rgnn.reservoir.products import ColumnCounter, Product, plan
from rgnn.reservoir.reservoir import Reservoir


@dataclass(frozen=True)
class Blueprint:
    """Every product of the network and the shape of every matrix it needs on the chip."""

    own: tuple[Product, ...]
    message: tuple[Product, ...]
    source: tuple[Product, ...]
    shapes: dict[str, list[tuple[int, int]]]
    """(outputs, inputs) of the matrices of `density`, `source`, `projection` and `message`, those
    of one group by degree."""

    @property
    def all_shapes(self) -> list[tuple[int, int]]:
        """Return the shapes in the order the matrices are cut."""
        return [shape for group in self.shapes.values() for shape in group]


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

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        parts = (self.reference_distance, self.limits, self.source_scale, self.scalar_centre)
        return sum(p.size for p in parts) + self.scalar_steepness.size


def blueprint(config: ReservoirConfig, n_species: int) -> Blueprint:
    """Return the products and matrices of a network for `n_species` elements."""
    counter, source = ColumnCounter(), ColumnCounter()
    widths = (config.single_width, config.pair_width, config.triple_width)
    own = plan(widths, config.lmax, config.coupled_lmax, 0, counter)
    m = config.message
    messages, sources = [], []
    if m.scalars:
        widths = (min(m.pair_width, 24), m.pair_width, m.triple_width)
        messages = plan(widths, config.lmax, config.coupled_lmax, 1, counter)
        sources = plan((config.single_width, m.source_width, 0), config.lmax, 0, 0, source)
    inputs = n_species * config.n_radial
    degrees = range(config.lmax + 1)
    shapes = {"density": [(counter.used.get((0, degree), 0), inputs) for degree in degrees]}
    if m.scalars:
        shapes["source"] = [(source.used.get((0, degree), 0), inputs) for degree in degrees]
        shapes["projection"] = [(m.scalars, sum(p.width for p in sources))]
        shapes["message"] = [
            (counter.used.get((1, degree), 0), m.scalars * m.n_radial) for degree in degrees
        ]
    return Blueprint(tuple(own), tuple(messages), tuple(sources), shapes)


def assemble(
    config: ReservoirConfig,
    calibration: Calibration,
    blocks: Sequence[Block],
    periphery: Periphery,
    dtype: str,
) -> Reservoir:
    """Return the reservoir on the given rung; `blocks` in the order of `Blueprint.all_shapes`."""
    design = blueprint(config, len(calibration.reference_distance))
    lines = np.cumsum([n_in for _, n_in in design.all_shapes])[:-1]
    mounted = iter(
        mount_by_line(block, periphery, limits=limits, dtype=dtype)
        for block, limits in zip(blocks, np.split(calibration.limits, lines), strict=True)
    )
    arrays = {name: tuple(next(mounted) for _ in group) for name, group in design.shapes.items()}
    reference = jnp.asarray(calibration.reference_distance, dtype)
    inputs = design.shapes["density"][0][1]
    radial = RadialBasis(reference, config.cutoff, config.n_radial)
    decay = _decay(config.n_radial, config.decay, inputs, dtype)
    layer = DensityLayer(radial, decay, arrays["density"], config.activation_reads)
    if not config.message.scalars:
        return Reservoir(layer, design.own)
    message = _message(config, calibration, design, arrays, layer, dtype)
    return Reservoir(layer, design.own, message, design.message)


def _message(
    config: ReservoirConfig,
    calibration: Calibration,
    design: Blueprint,
    arrays: dict[str, tuple[AbstractMatVec, ...]],
    layer: DensityLayer,
    dtype: str,
) -> MessageLayer:
    m = config.message
    widths = [p.width for p in design.source]
    scale = np.repeat(calibration.source_scale, widths) / np.sqrt(sum(widths))
    return MessageLayer(
        source=DensityLayer(layer.radial, layer.decay, arrays["source"], layer.repeats),
        source_plan=design.source,
        source_scale=jnp.asarray(scale, dtype),
        projection=arrays["projection"][0],
        centre=jnp.asarray(calibration.scalar_centre, dtype),
        steepness=jnp.asarray(calibration.scalar_steepness, dtype),
        radial=RadialBasis(layer.radial.reference_distance, m.cutoff, m.n_radial),
        decay=_decay(m.n_radial, config.decay, m.scalars * m.n_radial, dtype),
        mixing=arrays["message"],
        repeats=layer.repeats,
    )


def _decay(count: int, decay: float, inputs: int, dtype: str) -> Float[Array, " n_radial"]:
    """Return the weights of the radial functions; a mixed density is of the order of one input."""
    return jnp.asarray(1 / (1 + (np.arange(count) / decay) ** 2) / np.sqrt(inputs), dtype)
