"""Reads of a noisy chip: means are right, and squares between two reads carry no bias."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.crossbar.build import Periphery, cut, mount
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction.jet import Jet, inner, read


@pytest.fixture(scope="module")
def reads():
    """Return many double reads of one jet through a noisy array, and their noiseless result."""
    chip = Chip.sample(read_noise=0.05)
    block = cut(chip, [(4, 6)])[0]
    noisy = mount(block, Periphery(bits=8, adc_bits=None), limit=1.0, dtype="float32")
    exact = mount(block, Periphery("quantised", bits=8), limit=1.0, dtype="float32")
    rng = np.random.default_rng(0)
    x, dx, lap = (jnp.asarray(rng.uniform(-1, 1, s), "float32") for s in (6, (1, 3, 6), 6))
    jet = Jet(x, dx, lap)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = jax.jit(jax.vmap(lambda key: read(noisy, jet, key=key, reads=2)))(keys)
    return drawn, read(exact, jet, key=None)


def _z(samples, exact):
    samples = np.asarray(samples, float)
    return np.abs(samples.mean(0) - exact) / (samples.std(0) / np.sqrt(len(samples)))


def test_values_tangents_and_laplacians_are_right_on_average(reads):
    drawn, exact = reads
    for name in ("x", "lap"):
        assert _z(getattr(drawn, name), getattr(exact, name)).max() < 4.5
    assert _z(drawn.dx[:, 0], exact.dx[0]).max() < 4.5


def test_squares_between_two_reads_have_no_bias(reads):
    drawn, exact = reads
    truth = np.asarray(inner(exact.dx, exact.dx))
    between = jax.vmap(inner)(drawn.dx, drawn.dx)
    assert _z(between, truth).max() < 4.5
    within = jnp.sum(jnp.square(drawn.dx[:, 0]), axis=1)
    variance = np.asarray(drawn.dx[:, 0], float).var(0).sum(0)
    assert _z(within, truth + variance).max() < 4.5
    assert (variance > 0).all()
