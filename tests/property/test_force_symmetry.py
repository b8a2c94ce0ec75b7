"""Symmetries of the force field, in double precision, on structures hypothesis moves about."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import force_models
from rgnn.core.structure import Structure
from rgnn.tasks.force.model import Predictor

KEY = jax.random.key(0)
TOLERANCE = 1e-6
"""Relative, as promised; what is found is near 1e-12."""


@pytest.fixture(scope="module")
def predict():
    predictor = Predictor(force_models.model())
    return lambda structure: predictor(structure, key=KEY, uncertainty=False)


def _close(a, b):
    assert np.abs(a - b).max() <= TOLERANCE * max(np.abs(b).max(), 1e-9)


def _start() -> Structure:
    return force_models.test_frames()[0].structure


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), mirror=st.booleans())
def test_rotation_and_inversion(predict, seed, mirror):
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    rotation *= -np.sign(np.linalg.det(rotation)) if mirror else np.sign(np.linalg.det(rotation))
    start = _start()
    turned = replace(start, positions=start.positions @ rotation.T, cell=start.cell @ rotation.T)
    before, after = predict(start), predict(turned)
    _close(np.array([after.energy]), np.array([before.energy]))
    _close(after.forces, before.forces @ rotation.T)
    _close(after.stress, rotation @ before.stress @ rotation.T)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_translation_wrapping_and_permutation(predict, seed):
    rng = np.random.default_rng(seed)
    start = _start()
    order = rng.permutation(len(start))
    images = rng.integers(-2, 3, (len(start), 3)) @ start.cell
    moved = replace(
        start,
        positions=(start.positions + rng.uniform(-9, 9, 3) + images)[order],
        numbers=start.numbers[order],
    )
    before, after = predict(start), predict(moved)
    _close(np.array([after.energy]), np.array([before.energy]))
    _close(after.forces, before.forces[order])


@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 2, 2)])
def test_supercell_is_extensive(predict, repeat):
    start = _start()
    shifts = np.array(
        [(i, j, k) for i in range(repeat[0]) for j in range(repeat[1]) for k in range(repeat[2])]
    )
    large = Structure(
        np.concatenate([start.positions + shift @ start.cell for shift in shifts]),
        np.tile(start.numbers, len(shifts)),
        start.cell * np.array(repeat)[:, None],
        start.pbc,
    )
    before, after = predict(start), predict(large)
    assert after.energy == pytest.approx(len(shifts) * before.energy, rel=TOLERANCE)
    _close(after.forces, np.tile(before.forces, (len(shifts), 1)))
    _close(after.stress, before.stress)


@pytest.mark.parametrize("rung", ["exact", "quantised"])
def test_padding_does_not_touch_a_prediction(rung):
    """A larger structure predicted in between widens every buffer."""
    from rgnn.crossbar.build import Periphery

    model = force_models.model().on(periphery=Periphery(rung))
    start = _start()
    dense = replace(start, positions=0.8 * start.positions, cell=0.8 * start.cell)
    predictor = Predictor(model)
    before = predictor(start, key=KEY, uncertainty=False)
    predictor(dense, key=KEY, uncertainty=False)
    after = predictor(start, key=KEY, uncertainty=False)
    _close(after.forces, before.forces)
