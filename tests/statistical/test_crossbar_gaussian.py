"""The numbers behind read noise are Gaussian, independent, and each row its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from rgnn.crossbar import gaussian

N = 2_000_000


@pytest.fixture(scope="module")
def drawn():
    return np.asarray(gaussian.normal(jax.random.key(11), (N // 250, 250)), float)


def test_moments(drawn):
    z = drawn.ravel()
    for order, expected in {1: 0, 2: 1, 3: 0, 4: 3, 6: 15}.items():
        power = z**order
        assert abs(power.mean() - expected) < 4 * power.std() / np.sqrt(N)


def test_distribution(drawn):
    result = scipy.stats.kstest(drawn.ravel(), "norm")
    assert result.pvalue > 1e-4


@pytest.mark.parametrize("sigma", [3.0, 4.0, 4.5])
def test_tails(drawn, sigma):
    expected = 2 * scipy.stats.norm.sf(sigma) * N
    assert abs((np.abs(drawn) > sigma).sum() - expected) < 4 * np.sqrt(expected)


def test_numbers_are_independent(drawn):
    """Neighbours, rows, and the two numbers of a pair; also of their squares."""
    pairs = {
        "neighbours": (drawn[:, :-1], drawn[:, 1:]),
        "rows": (drawn[:-1], drawn[1:]),
        "of one pair": (drawn[:, :125], drawn[:, 125:]),
    }
    for first, second in pairs.values():
        for power in (1, 2):
            r = np.corrcoef(first.ravel() ** power, second.ravel() ** power)[0, 1]
            assert abs(r) * np.sqrt(first.size) < 4


def test_keys_give_unrelated_numbers():
    keys = jax.random.split(jax.random.key(0), 2)
    first, second = (np.asarray(gaussian.normal(key, (1000, 100))).ravel() for key in keys)
    assert abs(np.corrcoef(first, second)[0, 1]) * np.sqrt(first.size) < 4


def test_a_row_depends_on_its_place_alone_and_a_batch_of_keys_draws_as_each_alone():
    key = jax.random.key(3)
    few, many = (gaussian.normal(key, (n, 7)) for n in (5, 64))
    assert few.shape == (5, 7) and few.dtype == jnp.float32
    np.testing.assert_array_equal(few, many[:5])
    keys = jax.random.split(key, 3)
    together = jax.vmap(lambda k: gaussian.normal(k, (4, 6)))(keys)
    np.testing.assert_array_equal(together[2], gaussian.normal(keys[2], (4, 6)))


def test_series_are_those_of_cosine_and_sine():
    words = jnp.asarray(np.random.default_rng(0).integers(0, 2**32, 1000), jnp.uint32)
    cosine, sine = gaussian._on_right_half_circle(words)
    angle = np.asarray(words).astype(np.int32) * np.pi / 2**32
    np.testing.assert_allclose(cosine, np.cos(angle), atol=3e-7)
    np.testing.assert_allclose(sine, np.sin(angle), atol=3e-7)
