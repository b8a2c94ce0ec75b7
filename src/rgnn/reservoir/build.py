"""From a configuration and a chip to a reservoir."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rgnn.crossbar.build import Block, Periphery, mount
from rgnn.graph.radial import RadialBasis
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.layer import DensityLayer
from rgnn.reservoir.products import ColumnCounter, Product, plan
from rgnn.reservoir.reservoir import Reservoir


def products_and_columns(config: ReservoirConfig) -> tuple[list[Product], list[int]]:
    """Return the products of the reservoir and the columns every degree's matrix needs."""
    counter = ColumnCounter()
    widths = (config.single_width, config.pair_width, config.triple_width)
    products = plan(widths, config.lmax, config.coupled_lmax, 0, counter)
    return products, [counter.used.get((0, degree), 0) for degree in range(config.lmax + 1)]


def shapes(config: ReservoirConfig, n_species: int) -> list[tuple[int, int]]:
    """Return (outputs, inputs) of every matrix on the chip, in the order they are cut."""
    _, columns = products_and_columns(config)
    return [(n, n_species * config.n_radial) for n in columns]


def assemble(
    config: ReservoirConfig,
    reference_distance: Float[np.ndarray, "n_species n_species"],
    blocks: Sequence[Block],
    limits: Sequence[float],
    periphery: Periphery,
    dtype: str,
) -> Reservoir:
    """Return the reservoir on the given rung, for activations within ±`limits`."""
    products, _ = products_and_columns(config)
    mixing = tuple(
        mount(block, periphery, limit=limit, dtype=dtype)
        for block, limit in zip(blocks, limits, strict=True)
    )
    n = np.arange(config.n_radial)
    decay = 1 / (1 + (n / config.decay) ** 2) / np.sqrt(blocks[0].weight.shape[1])
    radial = RadialBasis(jnp.asarray(reference_distance, dtype), config.cutoff, config.n_radial)
    return Reservoir(DensityLayer(radial, jnp.asarray(decay, dtype), mixing), tuple(products))
