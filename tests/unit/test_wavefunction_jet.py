"""The forward Laplacian against automatic second derivatives and against paper and pencil."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.crossbar.build import Periphery
from rgnn.crossbar.matvec import Exact, Quantised
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction import ansatz, features, jet, streams
from rgnn.tasks.wavefunction.electrons import (
    Spins,
    along,
    along_pair,
    differences,
    gather,
    pair,
    scatter,
)
from rgnn.tasks.wavefunction.jet import Jet, coordinates
from rgnn.tasks.wavefunction.local_energy import coulomb, kinetic
from rgnn.tasks.wavefunction.signlog import combine, determinant


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def _second_derivatives(function, x):
    """Return value, gradient and Laplacian by jax's own Hessian."""
    hessian = jax.hessian(function)(x)
    return function(x), jax.grad(function)(x), jnp.trace(hessian)


def _agree(found: Jet, function, x, tolerance=1e-11):
    value, gradient, laplacian = _second_derivatives(function, x)
    np.testing.assert_allclose(found.x, value, rtol=tolerance)
    np.testing.assert_allclose(found.dx[0], gradient, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found.lap, laplacian, rtol=tolerance)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "reciprocal", "tanh"])
def test_functions_of_one_variable_agree_with_the_hessian(name):
    x = jnp.array([0.7, -1.3, 0.4])
    function = getattr(jet, name)

    def composed(f):
        return (function((f * f).sum(-1) + 0.3) * f[..., 0]).sum(())

    _agree(composed(coordinates(x)), composed, x)


def test_laplacian_of_r_squared_is_twice_the_dimension():
    q = coordinates(jnp.array([0.3, -0.2, 0.9]))
    assert float((q * q).sum(-1).lap) == pytest.approx(6.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_walker_on_the_node_of_one_orbital_has_finite_derivatives(dtype):
    """ψ = x · 1 + (1 + y) · 1 at x = y = 0: one of two determinants is 0 to the last bit."""
    orbitals = coordinates(jnp.zeros(2, dtype)) + jnp.asarray([0, 1], dtype)
    up = jet.linear(lambda f: f[..., None, None], orbitals)
    down = jet.linear(lambda f: 0 * f, up) + 1.0
    log = combine(determinant(up), determinant(down), jnp.ones(2, dtype)).log
    assert isinstance(log, Jet) and float(log.x) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(jnp.ravel(log.dx), [1, 1], rtol=1e-6)
    assert float(log.lap) == pytest.approx(-2, rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_determinants_agree_with_the_hessian(n):
    rng = np.random.default_rng(n)
    base, slope = jnp.array(rng.normal(size=(n, n))), jnp.array(rng.normal(size=(n * n, 3)))
    x = jnp.array([0.2, -0.4, 0.1])

    def matrix(f):
        flat = jet.linear(lambda a: a @ slope.T, f * f + f)
        return jet.linear(lambda a: a.reshape(*a.shape[:-1], n, n), flat) + base

    found = determinant(matrix(coordinates(x)))
    log = jet.log(found.value) + found.scale

    def reference(y):
        return jnp.linalg.slogdet(matrix(y))[1]

    _agree(log, reference, x, 1e-9)
    assert float(jnp.sign(found.value.x)) == float(jnp.linalg.slogdet(matrix(x))[0])


def test_features_of_one_electron_and_of_pairs_become_functions_of_all_positions():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))
    weight = Spins(2, 1).same + 0.5 * Spins(2, 1).opposite

    def alone(r):
        return jet.tanh(scatter(r))

    def paired(d, r):
        return gather(jet.tanh(pair(d, jet.tanh(r), r * r)), weight)

    jets = alone(coordinates(x)) + paired(coordinates(differences(x)), coordinates(x))

    def total(flat, i, f):
        r = flat.reshape(3, 3)
        return (alone(r) + paired(differences(r), r))[i, f]

    for i, f in ((0, 0), (2, 1)):
        value, gradient, laplacian = _second_derivatives(partial(total, i=i, f=f), x.ravel())
        np.testing.assert_allclose(jets.x[i, f], value)
        np.testing.assert_allclose(jets.dx[0, :, i, f], gradient, atol=1e-12)
        np.testing.assert_allclose(jets.lap[i, f], laplacian)


def test_derivatives_along_a_velocity_are_those_of_moving_electrons():
    rng = np.random.default_rng(1)
    x, velocity = (jnp.asarray(rng.normal(size=(2, 3, 3))) for _ in range(2))

    def pairs(d, r):
        return jet.tanh(pair(d, r, r * r))

    def everyone(d, r):
        return gather(pairs(d, r), Spins(2, 1).same)

    d, r = coordinates(differences(x)), coordinates(x)
    for function, derivative in ((pairs, along_pair), (everyone, along)):
        _, exact = jax.jvp(lambda y, f=function: f(differences(y), y), (x,), (velocity,))
        np.testing.assert_allclose(derivative(function(d, r), velocity), exact, atol=1e-12)


def test_a_noiseless_array_maps_all_three_alike():
    mv = Exact(jnp.asarray(np.random.default_rng(0).normal(size=(4, 3))))
    found = jet.read(mv, jet.tanh(coordinates(jnp.array([0.1, 0.5, -0.3]))), key=None)
    reference = jax.hessian(lambda x: mv(jnp.tanh(x)))(jnp.array([0.1, 0.5, -0.3]))
    np.testing.assert_allclose(found.lap, jnp.trace(reference, axis1=1, axis2=2))


def test_tangents_are_rounded_on_their_own_scale():
    """A derivative a thousand times smaller loses no more digits."""
    mv = Quantised(jnp.eye(3), jnp.asarray(1.0), 8)
    f = coordinates(jnp.array([0.1, 0.5, -0.3])) * jnp.array([1.0, 0.37, 0.61])
    small = jet.read(mv, f * 1e-3, key=None)
    np.testing.assert_allclose(small.dx, 1e-3 * jet.read(mv, f, key=None).dx)


def _wavefunction(spins: Spins, nuclei, charges, kind="means"):
    """Return a small wavefunction with random readouts, in double precision."""
    frozen = streams.build(
        Chip.sample(),
        Periphery("exact"),
        streams.Size(kind, 8, 4, 2),
        spins,
        n_one=features.count_one(charges),
        n_two=features.count_two(charges, odd=not spins.alone),
        dtype="float64",
    )
    rng = np.random.default_rng(3)
    n_one = features.count_one(charges) + 3 * 8
    up = (tuple(range(spins.n_up)), (*range(spins.n_up - 1), spins.n_up))
    down = (tuple(range(spins.n_down)), tuple(range(spins.n_down)))
    model = ansatz.Ansatz(jnp.asarray(nuclei), charges, frozen, up, down)
    k, m = spins.n_up + 1, len(charges)
    readouts = ansatz.Readouts(
        orbital=jnp.asarray(rng.normal(size=(k, n_one))),
        weight=jnp.ones((k, m)),
        log_exponent=jnp.asarray(0.3 * rng.normal(size=(k, m))),
        coefficient=jnp.array([1.0, 0.3]),
        jastrow_one=jnp.asarray(0.1 * rng.normal(size=n_one)),
        jastrow_two=jnp.asarray(0.1 * rng.normal(size=(2, frozen.n_pair))),
        log_range=jnp.array([0.2, 0.5]),
    )
    return model, readouts, jnp.asarray(rng.normal(size=(2, spins.count, 3)))


@pytest.mark.parametrize("kind", ["means", "attention"])
def test_local_energy_of_the_whole_wavefunction_agrees_with_the_hessian(kind):
    nuclei, charges = np.array([[0.0, 0, 0], [0, 0, 2.0]]), (3.0, 1.0)
    model, readouts, x = _wavefunction(Spins(2, 1), nuclei, charges, kind)

    @jax.jit
    def by_jets(x):
        return kinetic(model.log_psi(readouts, model.inputs(x, key=None, derivatives=True)).log)

    @jax.jit
    def log_psi(flat):
        inputs = model.inputs(flat.reshape(-1, 3), key=None, derivatives=False)
        return model.log_psi(readouts, inputs).log

    found = by_jets(x)
    for walker in range(2):
        flat = x[walker].ravel()
        gradient, hessian = jax.grad(log_psi)(flat), jax.hessian(log_psi)(flat)
        reference = -0.5 * (jnp.trace(hessian) + gradient @ gradient)
        assert float(found[walker]) == pytest.approx(float(reference), rel=1e-9)


def test_inputs_move_along_a_velocity_as_positions_do():
    model, readouts, x = _wavefunction(Spins(2, 1), np.zeros((1, 3)), (3.0,))
    velocity = jnp.asarray(np.random.default_rng(4).normal(size=x.shape))

    def log_of(inputs):
        return model.log_psi(readouts, inputs).log

    @jax.jit
    def by_inputs(x):
        inputs = model.inputs(x, key=None, derivatives=True)
        return jax.jvp(log_of, (inputs.values(),), (inputs.along(velocity),))[1]

    @jax.jit
    def by_positions(x):
        def of(y):
            return log_of(model.inputs(y, key=None, derivatives=False))

        return jax.jvp(of, (x,), (velocity,))[1]

    np.testing.assert_allclose(by_inputs(x), by_positions(x), rtol=1e-10)


def test_exchanging_electrons_of_one_spin_changes_the_sign_only():
    model, readouts, x = _wavefunction(Spins(2, 1), np.zeros((1, 3)), (3.0,))

    @jax.jit
    def psi(x):
        return model.log_psi(readouts, model.inputs(x, key=None, derivatives=False))

    one, other = psi(x), psi(x[:, [1, 0, 2]])
    np.testing.assert_allclose(one.log, other.log, rtol=1e-10)
    np.testing.assert_allclose(one.sign, -other.sign)


def test_local_energy_stays_finite_where_particles_meet():
    """With exact cusps E_L has a finite limit at a nucleus and at another electron."""
    charges = (3.0,)
    model, readouts, _ = _wavefunction(Spins(2, 1), np.zeros((1, 3)), charges)
    far = np.array([[1.0, 0.2, 0.1], [-0.8, 0.5, 0.3], [0.1, -0.9, 0.4]])
    at_nucleus, at_electron = far.copy(), far.copy()
    energies = []

    @jax.jit
    def local_energy(x):
        log = model.log_psi(readouts, model.inputs(x, key=None, derivatives=True)).log
        return kinetic(log) + coulomb(x, model.nuclei, jnp.asarray(charges))

    for distance in (1e-4, 1e-6):
        at_nucleus[0] = [0, distance, 0]
        at_electron[2] = far[0] + [0, 0, distance]
        energies.append(local_energy(jnp.asarray(np.stack([at_nucleus, at_electron]))))
    np.testing.assert_allclose(energies[0], energies[1], atol=0.05)


@pytest.mark.parametrize("kink", [True, False])
def test_kinked_directions_remove_the_jump_of_the_local_energy_at_a_nucleus(kink):
    """ψ = e^(−Zr) (1 + c x + kink) has E_L(+x) − E_L(−x) = 2 Z c at r → 0 without the kink."""
    z, slope, away = 3.0, 0.4, 1e-5
    x = jnp.array([[[away, 0.0, 0.0]], [[-away, 0.0, 0.0]]])
    r = coordinates(x)[..., None, :]
    length = np.array([1 / z])
    p_wave = r[..., 0, 0] * slope
    if kink:
        p_wave = p_wave + features.kinked(r, length)[..., 0, 0] * (0.5 * slope / z)
    log = (jet.log(p_wave + 1.0) + jet.sqrt((r * r).sum((-1, -2))) * -z)[..., 0]
    energy = kinetic(log) + coulomb(x, jnp.zeros((1, 3)), jnp.array([z]))
    jump = 0.0 if kink else 2 * z * slope
    assert float(energy[0] - energy[1]) == pytest.approx(jump, abs=1e-3)


def test_coulomb_energy_of_two_electrons_on_a_line():
    x = jnp.array([[[0.0, 0, 1.0], [0, 0, -1.0]]])
    energy = coulomb(x, jnp.zeros((1, 3)), jnp.array([2.0]))
    assert float(energy[0]) == pytest.approx(0.5 - 4.0)
