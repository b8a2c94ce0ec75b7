"""Principal components of the densities, brought to one size before they drive the chip."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery, cut, mount
from rgnn.reservoir.config import MessageConfig
from rgnn.reservoir.reservoir import Reservoir
from rgnn.reservoir.whitening import whitening
from rgnn.run.cost import Order, account
from rgnn.tasks.force import engine, storage
from rgnn.tasks.force.config import RadialConfig
from rgnn.tasks.force.model import Predictor
from rgnn.tasks.force.twin import TwinConfig, train

KEY = jax.random.key(0)
FLOOR = 1e-3


def settings(rung: str = "exact", **reservoir) -> rgnn.ForceConfig:
    plain = force_models.config(rung)
    asked = {"whiten": FLOOR} | reservoir
    return replace(plain, reservoir=replace(plain.reservoir, **asked))


@cache
def model() -> rgnn.ForceField:
    return rgnn.ForceField.fit(force_models.training_frames(), config=settings(), seed=0)


def correlated(rng: np.random.Generator, n_atom: int = 400) -> np.ndarray:
    """Eight nearly equal functions: each component ten times smaller than the one before."""
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    return rng.normal(size=(3, n_atom, 8)) * 10.0 ** -np.arange(8) @ turn


def test_components_have_one_size_down_to_the_floor():
    rng = np.random.default_rng(0)
    seen = [[np.concatenate([correlated(rng), correlated(rng)], axis=-1)] for _ in range(2)]
    found = whitening(seen, 2, FLOOR)
    assert found.shape == (1, 2, 8, 8)
    for element in range(2):
        own = np.concatenate([s[0][..., 8 * element : 8 * element + 8] for s in seen], axis=1)
        white = (own @ found[0, element]).reshape(-1, 8)
        moment = white.T @ white
        variance = np.linalg.eigvalsh(np.einsum("mae,maf->ef", own, own))[::-1]
        share = variance / variance[0]
        np.testing.assert_allclose(np.diag(moment) / variance[0], share / (share + FLOOR))
        np.testing.assert_allclose(moment - np.diag(np.diag(moment)), 0, atol=1e-9 * variance[0])


def test_elements_never_seen_keep_their_functions():
    density = np.concatenate([correlated(np.random.default_rng(0)), np.zeros((3, 400, 8))], axis=-1)
    np.testing.assert_array_equal(whitening([[density]], 2, FLOOR)[0, 1], np.eye(8))


def test_small_components_come_through_a_noisy_chip():
    """Read off 200 columns of a chip with 2 % noise and solved for what drove its lines."""
    rng = np.random.default_rng(0)
    chip = rgnn.Chip.sample(seed=0, macros=1).with_noise(0.02)
    density = correlated(rng)
    turn = np.linalg.svd(density.reshape(-1, 8), full_matrices=False)[2].T
    truth = (density @ turn)[..., 3].ravel()

    def correlation(matrix: np.ndarray) -> float:
        drive = (density @ matrix).reshape(-1, 8)
        limit = float(np.abs(drive).max())
        array = mount(cut(chip, [(200, 8)])[0], Periphery(), limit=limit, dtype="float32")
        read = np.asarray(array(jnp.asarray(drive, "float32"), key=KEY), float)
        solved = read @ np.linalg.pinv(np.asarray(array.weight, float)).T
        found = (solved @ np.linalg.inv(matrix) @ turn)[:, 3]
        return float(np.corrcoef(found, truth)[0, 1])

    assert correlation(np.eye(8)) < 0.3
    assert correlation(whitening([[density]], 1, 1e-6)[0, 0]) > 0.95


def test_only_what_drives_the_chip_changes():
    plain, white = force_models.model(), model()
    first, second = plain.reservoir, white.reservoir
    assert isinstance(first, Reservoir) and isinstance(second, Reservoir)
    build = engine.Builder(white.elements, white.config.reservoir)
    around = build(force_models.test_frames()[0].structure)
    with engine.arithmetic("float64"):
        a, b = (np.asarray(engine.features(own, around, None)) for own in (first, second))
    skip = first.n_skip
    np.testing.assert_array_equal(a[:, :skip], b[:, :skip])
    assert np.abs(a[:, skip:] - b[:, skip:]).max() > 0.01
    assert white.weights_count["frozen_weights"] == plain.weights_count["frozen_weights"]
    assert white.calibration.size == plain.calibration.size + 3 * 3 * 4 * 4


@pytest.mark.parametrize("message", [True, False])
def test_forces_are_minus_the_gradient_of_the_energy(message):
    own = model()
    if not message:
        without = settings(message=MessageConfig(scalars=0), near=2.2)
        own = rgnn.ForceField.fit(force_models.training_frames(), config=without, seed=0)
    structure = force_models.test_frames()[0].structure
    predictor, h, atom, axis = Predictor(own), 1e-3, 17, 1

    def predict(shift: float):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        return predictor(replace(structure, positions=positions), key=KEY, uncertainty=False)

    slope = (predict(h).energy - predict(-h).energy) / (2 * h)
    assert predict(0.0).forces[atom, axis] == pytest.approx(-slope, abs=1e-5)


def test_learnt_functions_are_whitened_after_they_are_learnt():
    both = replace(
        settings(message=MessageConfig(scalars=0)), radial=RadialConfig(steps=1, features=8)
    )
    own = rgnn.ForceField.fit(force_models.training_frames(), config=both, seed=0)
    learnt, white = own.calibration.radial, own.calibration.white
    np.testing.assert_allclose(own.calibration.driving, learnt @ white)
    assert np.abs(learnt - np.eye(4)).max() > 1e-3
    gram = np.swapaxes(white, -1, -2) @ white
    np.testing.assert_allclose(gram, gram * np.eye(4), atol=1e-9 * np.abs(gram).max())


def test_files_hold_what_whitens(tmp_path):
    own = model()
    storage.save(own, tmp_path / "model.safetensors")
    again = storage.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.calibration.white, own.calibration.white)
    frame = force_models.test_frames()[0]
    one, two = (m.predict([frame], uncertainty=False)[0].forces for m in (own, again))
    np.testing.assert_array_equal(one, two)


def test_the_bill_counts_it(tmp_path):
    def work(own: rgnn.ForceField):
        storage.save(own, tmp_path / "model.rgnn")
        return account(Order(tmp_path / "model.rgnn")).workload

    found, plain = work(model()), work(force_models.model())
    assert found.reads == plain.reads and found.digital_macs > plain.digital_macs


def test_refusals_say_what_to_set():
    with pytest.raises(InputError, match=r"0 … 1"):
        settings(whiten=2.0)
    with pytest.raises(InputError, match=r"whiten=0 or family=random"):
        settings(family="complete", skip_width=0, message=MessageConfig(scalars=0))
    own = rgnn.ForceField.fit(
        force_models.training_frames(),
        config=settings(message=MessageConfig(scalars=0)),
        seed=0,
    )
    frames = force_models.training_frames()
    with pytest.raises(InputError, match=r"whiten=0"):
        train(own, frames, frames, TwinConfig(cpu_seconds=1.0))
