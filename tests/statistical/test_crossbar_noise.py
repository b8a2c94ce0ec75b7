"""Noise sampled at the output has the law of noise sampled per cell and per bit plane.

The explicit simulation draws a fresh conductance for every cell and every plane, drives the lines
with that plane, and shifts and adds the currents. It shares nothing with the fast path.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.crossbar import build
from rgnn.device.chip import Chip

READS = 20_000
N_OUT, N_IN, BITS = 3, 9, 5


def chip(wiring):
    cells = np.random.default_rng(7).gamma(2.0, 6.0, (1, 12, 24))
    return Chip(cells, wiring=wiring).with_noise(0.2, additive=0.7)


def array(wiring):
    block = build.cut(chip(wiring), [(N_OUT, N_IN)])[0]
    periphery = build.Periphery("crossbar", bits=BITS, adc_bits=None)
    return block, build.mount(block, periphery, limit=2.0, dtype="float32")


def explicit_reads(block, x, scale, rng):
    """READS outputs, every cell of every plane drawn afresh."""
    top = 2 ** (BITS - 1) - 1
    code = np.clip(np.rint(x / scale * top), -top, top)
    total = np.zeros((READS, N_OUT))
    for plane in range(BITS - 1):
        bits = np.sign(code) * (np.abs(code).astype(int) >> plane & 1)
        cells = block.cells + block.cell_std * rng.normal(size=(READS, *block.cells.shape))
        if block.wiring == "shared":
            weights = cells[:, :, 1:] - cells[:, :, :-1]
        else:
            weights = cells[:, 0::2] - cells[:, 1::2]
        total += 2**plane * weights @ bits
    return block.gain * total / top * scale


def z_mean(a, b):
    return (a.mean(0) - b.mean(0)) / np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))


def z_variance(a, b):
    return (a.var(0) / b.var(0) - 1) / np.sqrt(2 / len(a) + 2 / len(b))


@pytest.fixture(scope="module", params=["pairs", "shared"])
def reads(request):
    block, mv = array(request.param)
    x = np.linspace(-1.9, 1.7, N_IN).astype(np.float32)
    draw = jax.jit(jax.vmap(lambda key: mv(jnp.asarray(x), key=key)))
    fast = np.asarray(draw(jax.random.split(jax.random.key(1), READS)), float)
    return fast, explicit_reads(block, x, 2.0, np.random.default_rng(2))


def test_mean(reads):
    assert np.abs(z_mean(*reads)).max() < 4


def test_variance(reads):
    assert np.abs(z_variance(*reads)).max() < 4


def test_outputs_are_uncorrelated_in_both(reads):
    pairs = np.triu_indices(N_OUT, 1)
    for sample in reads:
        correlation = np.corrcoef(sample.T)[pairs]
        assert np.abs(correlation).max() < 4 / np.sqrt(READS)


def test_kurtosis_is_that_of_a_gaussian_in_both(reads):
    for sample in reads:
        standard = (sample - sample.mean(0)) / sample.std(0)
        assert np.abs((standard**4).mean(0) - 3).max() < 4 * np.sqrt(24 / READS)


def test_reads_of_a_batch_are_independent():
    _, mv = array("shared")
    x = jnp.ones((READS, N_IN))
    y = np.asarray(mv(x, key=jax.random.key(3)))
    neighbours = np.corrcoef(y[:-1, 0], y[1:, 0])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(READS)


@pytest.mark.parametrize("wiring", ["pairs", "shared"])
def test_a_combination_of_tangent_reads_is_drawn_with_its_own_law(wiring):
    """c · tangent(dx) in one draw against the explicit per-cell reads, then contracted."""
    block, mv = array(wiring)
    rng = np.random.default_rng(4)
    dx = rng.normal(size=(1, N_IN)).astype(np.float32)
    c = rng.normal(size=N_OUT).astype(np.float32)
    law = mv.tangent_law(jnp.asarray(dx[0]))
    mean, variance = law.drive @ (c @ mv.weight), law.power @ (c**2 @ mv.read_variance)
    fast = float(mean) + float(variance) ** 0.5 * rng.normal(size=READS)
    slow = explicit_reads(block, dx[0], np.abs(dx).max(), rng) @ c
    assert abs(z_mean(fast, slow)) < 4 and abs(z_variance(fast, slow)) < 4
    contracted = jax.jit(jax.vmap(lambda key: mv.tangent(jnp.asarray(dx[0]), key=key) @ c))
    read = np.asarray(contracted(jax.random.split(jax.random.key(6), READS)), float)
    assert abs(z_mean(fast, read)) < 4 and abs(z_variance(fast, read)) < 4


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_read_noise_does_not_depend_on_input_bits_in_single_precision(bits):
    """More bits round finer; the noise of a read stays that of its cells."""
    chip = Chip.sample(seed=3, read_noise=0.05)
    block = build.cut(chip, [(4, 24)])[0]
    periphery = build.Periphery(bits=bits, adc_bits=None)
    mv = build.mount(block, periphery, limit=1.0, dtype="float32")
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, 24), jnp.float32).at[0].set(1.0)
    reads = jax.vmap(lambda key: mv(x, key=key))(jax.random.split(jax.random.key(0), 4000))
    expected = jnp.sqrt(mv.tangent_law(x).power @ mv.read_variance.T)  # x fills its range
    z = np.log(np.asarray(reads.std(axis=0) / expected)) * np.sqrt(2 * 4000)
    assert np.abs(z).max() < 4
