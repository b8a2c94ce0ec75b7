"""Natural gradient: both forms agree, and a linear model is solved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.readout.natural_gradient import NaturalGradient, direction, step_size


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def test_sample_and_parameter_forms_are_the_same_numbers():
    rng = np.random.default_rng(0)
    settings = NaturalGradient(damping=0.01, noise=0.0, momentum=0.5)
    tall = rng.normal(size=(30, 7))
    residual, previous = rng.normal(size=30), rng.normal(size=7)
    by_parameters = direction(
        jnp.asarray(tall), jnp.asarray(residual), jnp.asarray(previous), settings
    )
    # seven more parameters nothing depends on make the sample form the smaller one
    wide = np.concatenate([tall, np.zeros((30, 40))], 1)
    by_samples = direction(
        jnp.asarray(wide),
        jnp.asarray(residual),
        jnp.asarray(np.r_[previous, np.zeros(40)]),
        settings,
    )
    np.testing.assert_allclose(by_samples[:7], by_parameters, rtol=1e-8)
    np.testing.assert_allclose(by_samples[7:], 0, atol=1e-10)


def test_scaling_a_parameter_scales_its_direction():
    rng = np.random.default_rng(1)
    o, e = rng.normal(size=(40, 3)), rng.normal(size=40)
    settings = NaturalGradient(momentum=0.0, floor=0.0)
    scale = np.array([1.0, 100.0, 0.01])
    plain = direction(jnp.asarray(o), jnp.asarray(e), jnp.zeros(3), settings)
    scaled = direction(jnp.asarray(o * scale), jnp.asarray(e), jnp.zeros(3), settings)
    np.testing.assert_allclose(scaled * scale, plain, rtol=1e-8)


@pytest.mark.parametrize("n_sample", [30, 3])
def test_stiff_directions_are_held_back(n_sample):
    """For a diagonal metric s and stiffness k the direction is g/(s + k), whatever its form."""
    rng = np.random.default_rng(5)
    o, e, k = rng.normal(size=(n_sample, 8)), rng.normal(size=n_sample), rng.normal(size=(4, 8))
    settings = NaturalGradient(damping=1e-9, noise=0.0, momentum=0.0, floor=1.0)
    found = direction(
        jnp.asarray(o), jnp.asarray(e), jnp.zeros(8), settings, stiffness=jnp.asarray(k)
    )
    c, f = o - o.mean(0), e - e.mean()
    metric = c.T @ c / n_sample + k.T @ k / len(k)
    np.testing.assert_allclose(metric @ found, c.T @ f / n_sample, atol=1e-6)


def test_without_damping_it_is_the_least_squares_fit():
    rng = np.random.default_rng(2)
    o, truth = rng.normal(size=(50, 4)), np.array([1.0, -2.0, 0.5, 3.0])
    e = o @ truth + 7.0
    settings = NaturalGradient(damping=1e-12, noise=0.0, momentum=0.0, floor=0.0)
    found = direction(jnp.asarray(o), jnp.asarray(e), jnp.zeros(4), settings)
    np.testing.assert_allclose(found, truth, rtol=1e-6)


def test_steps_that_change_psi_too_much_are_shortened():
    o = jnp.asarray(np.random.default_rng(3).normal(size=(20, 2)))
    settings = NaturalGradient(trust=0.1)
    phi = jnp.array([10.0, 10.0])
    step = step_size(phi, o, 0.5, settings)
    change = np.linalg.norm((o - o.mean(0)) @ phi) / np.sqrt(20) * step
    assert max(float(change), 10 * float(step)) == pytest.approx(0.1)
    assert float(step_size(1e-3 * phi, o, 0.5, settings)) == 0.5


def test_damping_grows_with_the_variance_of_the_local_energy():
    rng = np.random.default_rng(7)
    o, e = jnp.asarray(rng.normal(size=(40, 6))), jnp.asarray(3 * rng.normal(size=40))
    grown = direction(o, e, jnp.zeros(6), NaturalGradient(damping=1e-3, noise=0.02))
    named = NaturalGradient(damping=0.02 * float(jnp.var(e)), noise=0.0)
    np.testing.assert_allclose(grown, direction(o, e, jnp.zeros(6), named), rtol=1e-10)
    calm = NaturalGradient(damping=0.5, noise=1e-6)
    still = NaturalGradient(damping=0.5, noise=0.0)
    np.testing.assert_array_equal(
        direction(o, e, jnp.zeros(6), calm), direction(o, e, jnp.zeros(6), still)
    )
