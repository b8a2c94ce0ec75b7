"""Systems with known wavefunctions: no variance at the exact parameters, right densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core import keys
from rgnn.readout.natural_gradient import NaturalGradient, direction
from rgnn.tasks.wavefunction import sampler
from rgnn.tasks.wavefunction.jet import coordinates, sqrt, value
from rgnn.tasks.wavefunction.local_energy import coulomb, kinetic
from rgnn.tasks.wavefunction.statistics import blocked_errors, correlation_time, estimate


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def _slater(r, z):
    """Return log ψ = −z r of one electron, (walker, 1, 3) → (walker)."""
    return sqrt((r * r).sum(-1)).sum(-1) * -z


def _own(x):
    """Return the jet of one electron's position, with its own three coordinates."""
    return coordinates(x)


@pytest.mark.parametrize("z", [1.0, 2.0, 3.0])
def test_hydrogen_like_atoms_have_no_variance_at_the_exact_exponent(z):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(50, 1, 3)))
    energy = kinetic(_slater(_own(x), z)) + coulomb(x, jnp.zeros((1, 3)), jnp.array([z]))
    np.testing.assert_allclose(energy, -0.5 * z**2, rtol=1e-9)


@pytest.mark.parametrize("omega", [0.5, 2.0])
def test_harmonic_oscillator_has_no_variance_at_the_exact_width(omega):
    x = jnp.asarray(np.random.default_rng(1).normal(size=(50, 1, 3)))
    r = _own(x)
    energy = kinetic((r * r).sum((-1, -2)) * (-0.5 * omega)) + 0.5 * omega**2 * (x**2).sum((1, 2))
    np.testing.assert_allclose(energy, 1.5 * omega, rtol=1e-9)


def test_walkers_of_a_slater_function_have_its_moments_and_energy():
    """⟨r⟩ = 3/2a and E(a) = a²/2 − a for ψ = e^(−a r) at Z = 1."""
    a = 1.3

    def log_psi(x, key):
        return value(_slater(x, a))

    @jax.jit
    def sample(walkers, key):
        def one(state, k):
            moved, _ = sampler.sweep(log_psi, state, k, 10)
            x = moved.electrons
            energy = kinetic(_slater(_own(x), a)) + coulomb(x, jnp.zeros((1, 3)), jnp.ones(1))
            return moved._replace(width=state.width), (energy, jnp.linalg.norm(x, axis=-1)[:, 0])

        return jax.lax.scan(one, walkers, jax.random.split(key, 200))

    key = keys.root(0)
    first = jnp.asarray(np.random.default_rng(2).normal(size=(400, 1, 3)))
    walkers = sampler.init(log_psi, first, key, width=1.0)
    walkers, _ = sample(walkers, keys.child(key, "burn-in"))
    _, (energy, radius) = sample(walkers, keys.child(key, "sample"))
    for series, exact in ((energy, a**2 / 2 - a), (radius, 1.5 / a)):
        found = estimate(np.asarray(series))
        assert abs(found.mean - exact) < 4 * found.stderr


def test_the_natural_gradient_finds_the_exponent_of_hydrogen():
    rng = np.random.default_rng(3)
    a, settings = jnp.array([0.6]), NaturalGradient(momentum=0.0, damping=1e-6)
    for _ in range(12):
        direction_ = rng.normal(size=(4000, 1, 3))
        radius = rng.gamma(3.0, 1 / (2 * float(a[0])), size=(4000, 1, 1))
        x = jnp.asarray(direction_ / np.linalg.norm(direction_, axis=-1, keepdims=True) * radius)
        energy = kinetic(_slater(_own(x), a[0])) + coulomb(x, jnp.zeros((1, 3)), jnp.ones(1))
        phi = direction(-jnp.asarray(radius[:, :, 0]), energy, jnp.zeros(1), settings)
        a = a - 0.8 * phi
    assert float(a[0]) == pytest.approx(1.0, abs=1e-3)


def test_error_bars_of_correlated_samples_cover_the_truth():
    """An AR(1) chain of known correlation: τ = (1 + c)/(1 − c), error √(τ/n)."""
    rng, c, n = np.random.default_rng(4), 0.8, 4000
    series = np.zeros((n, 50))
    for t in range(1, n):
        series[t] = c * series[t - 1] + np.sqrt(1 - c**2) * rng.normal(size=50)
    found = estimate(series)
    exact = np.sqrt((1 + c) / (1 - c) / (n * 50))
    assert found.correlation_time == pytest.approx((1 + c) / (1 - c), rel=0.1)
    assert found.stderr == pytest.approx(exact, rel=0.35)
    assert abs(found.mean) < 4 * exact
    assert len(blocked_errors(series.mean(1))) > 5
    assert correlation_time(rng.normal(size=(500, 50))) == pytest.approx(1.0, abs=0.1)
