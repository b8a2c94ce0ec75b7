"""Forces drawn at once follow the law of forces put together read by read."""

import numpy as np
import pytest

import force_models
from rgnn.core import keys
from rgnn.crossbar.build import Periphery
from rgnn.tasks.force import engine
from rgnn.tasks.force.rows import assemble

DRAWS = 300


@pytest.fixture(scope="module")
def forces():
    """Forces of 48 atoms in many reads, by inference and by design rows times weights."""
    model = force_models.model().on(periphery=Periphery("crossbar", adc_bits=None))
    model = model.on(chip=model.chip.with_noise(0.01))
    structure = force_models.test_frames()[0].structure
    with engine.arithmetic("float64"):
        around = engine.Builder(model.elements, model.config.reservoir)(structure)
        weights = engine.as_dtype(model.readout.weights, "float64")
        drawn, explicit = [], []
        for draw in range(DRAWS):
            key = keys.child(keys.root(0), draw)
            found = engine.energies_and_gradient(model.reservoir, around, weights, key)
            drawn.append(engine.outcome(around, *engine.as_numpy(found)).forces)
            other = keys.child(keys.root(1), draw)
            design = engine.as_numpy(engine.design(model.reservoir, around, other))
            rows = assemble(around, 3, design)
            explicit.append(np.tensordot(rows.forces, model.readout.weights, axes=((2, 3), (0, 1))))
    return np.array(drawn).reshape(DRAWS, -1), np.array(explicit).reshape(DRAWS, -1)


def test_means_agree(forces):
    drawn, explicit = forces
    error = np.sqrt((drawn.var(axis=0) + explicit.var(axis=0)) / DRAWS)
    z = (drawn.mean(axis=0) - explicit.mean(axis=0)) / error
    assert np.abs(z).max() < 4.5  # 144 components
    assert np.mean(z**2) == pytest.approx(1, abs=4 * np.sqrt(2 / 48))


def test_spreads_agree(forces):
    """Components of one structure share reads, so the bound is that of about 20 free ones."""
    drawn, explicit = forces
    ratio = np.log(drawn.std(axis=0) / explicit.std(axis=0))
    assert np.abs(np.mean(ratio)) < 4 / np.sqrt(DRAWS * 20)
    assert np.abs(ratio).max() < 4.5 / np.sqrt(DRAWS)


def test_noise_is_fresh_and_keyed(forces):
    drawn, _ = forces
    assert drawn.std(axis=0).min() > 0
    assert not np.array_equal(drawn[0], drawn[1])
