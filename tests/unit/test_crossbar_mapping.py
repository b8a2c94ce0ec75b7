"""Given weights on cells: pairs, slices, and one line for weight 0."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar import build, mapping

WEIGHTS = np.random.default_rng(0).normal(size=(5, 12))
RANGE = mapping.Range(2.0, 40.0)


def mounted(block, noise=0.0, **settings):
    tiles = tuple((cells, noise * cells) for cells, _ in block.tiles)
    periphery = build.Periphery(**{"adc_bits": None, "bits": 12, **settings})
    return build.mount(replace(block, tiles=tiles), periphery, limit=1.0, dtype="float32")


@pytest.mark.parametrize(
    "block",
    [
        mapping.on_pairs(WEIGHTS, RANGE),
        mapping.on_pairs(WEIGHTS, RANGE, sides="two"),
        mapping.on_offset_column(WEIGHTS, RANGE),
    ],
    ids=["one-sided pairs", "two-sided pairs", "offset column"],
)
def test_a_mapped_matrix_is_the_matrix(block):
    cells = block.cells
    assert cells.min() >= 2.0 - 1e-12 and cells.max() <= 40.0 + 1e-12
    np.testing.assert_allclose(block.weight, WEIGHTS, atol=1e-12)
    x = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (4, 12)), jnp.float32)
    np.testing.assert_allclose(mounted(block)(x), x @ WEIGHTS.T, atol=5e-3)


def test_an_offset_column_on_levels_has_a_level_for_zero():
    block = mapping.on_offset_column(WEIGHTS, replace(RANGE, levels=16))
    step = 38.0 / 15
    level = (block.cells - 2.0) / step
    np.testing.assert_allclose(level, np.rint(level), atol=1e-9)
    assert np.abs(block.weight - WEIGHTS).max() <= 0.5 * step * block.gain + 1e-9
    with pytest.raises(InputError, match="leave none for weight 0"):
        mapping.on_offset_column(WEIGHTS, replace(RANGE, levels=2))


def test_the_noise_of_the_offset_is_common_to_all_outputs():
    mv = mounted(mapping.on_offset_column(WEIGHTS, RANGE), noise=0.05, bits=8)
    x = jnp.ones(12)
    keys = jax.random.split(jax.random.key(0), 20_000)
    reads = np.asarray(jax.jit(jax.vmap(lambda k: mv(x, key=k)))(keys), float)
    planes = sum(4.0**b for b in range(7)) / 127**2
    variance = np.asarray(mv.gain) ** 2 * planes * (0.05 * np.asarray(mv.cells)) ** 2
    own, common = variance[:-1].sum(axis=1), variance[-1].sum()
    z = (reads.var(axis=0) / (own + common) - 1) * np.sqrt(len(keys) / 2)
    assert np.abs(z).max() < 4
    covariance = np.cov(reads.T)[np.triu_indices(5, 1)]
    spread = np.sqrt((own.max() + common) ** 2 / len(keys))
    assert np.abs(covariance - common).max() < 4 * spread
    with pytest.raises(InputError, match="same noise to all outputs"):
        mv.tangent_law(x)


def test_slices_of_few_levels_add_up_to_weights_of_many():
    parts = mapping.sliced(WEIGHTS, RANGE, bits=8, slice_bits=2)
    total = sum(place * block.weight for block, place in parts)
    step = np.abs(WEIGHTS).max() / 127
    assert len(parts) == 4 and np.abs(total - WEIGHTS).max() <= 0.5 * step + 1e-12


def test_nothing_to_map_is_refused():
    for mapped in (mapping.on_pairs, mapping.on_offset_column):
        with pytest.raises(InputError, match="all weights are 0"):
            mapped(np.zeros((2, 2)), RANGE)
