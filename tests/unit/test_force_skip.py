"""What goes around the chip: exact on a noisy chip, and enough for few-body energies."""

from dataclasses import replace

import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.reservoir.config import ReservoirConfig
from rgnn.tasks.force import engine


def _invariants(field, draw):
    structure = force_models.test_frames()[0].structure
    with engine.arithmetic(field.config.precision):
        around = engine.Builder(field.elements, field.config.reservoir)(structure)
        design = engine.design(field.reservoir, around, keys.child(keys.root(0), draw))
    return np.asarray(design.invariants), np.asarray(design.full)


def test_it_carries_no_read_noise():
    field = force_models.model().on(periphery=Periphery("crossbar"))
    (first, rows), (second, other) = (_invariants(field, draw) for draw in range(2))
    skip = field.reservoir.n_skip
    assert skip == 3 * 4 + 3 * 3  # elements × radial functions, then 3 products per degree
    assert np.array_equal(first[:, :skip], second[:, :skip])
    assert np.array_equal(rows[..., :skip], other[..., :skip])
    assert not np.array_equal(first[:, skip:], second[:, skip:])


def test_every_pair_of_channels_is_offered_once():
    whole = replace(force_models.SMALL, skip_width=4096)
    settings = replace(force_models.config(), reservoir=whole)
    field = rgnn.ForceField.fit(force_models.training_frames()[:1], config=settings, seed=0)
    assert field.reservoir.skip.widths == [12] + [12 * 13 // 2] * 3


def test_its_products_are_those_of_the_densities():
    """Σ_m ρ_lm,a ρ_lm,b / √(2l + 1), as the coupling of two equal degrees has it."""
    field = force_models.model()
    structure = force_models.test_frames()[0].structure
    network = field.reservoir
    with engine.arithmetic("float64"):
        around = engine.Builder(field.elements, field.config.reservoir)(structure)
        densities = network.inputs(around).densities
        values, _ = network.skip.evaluate(densities, network.skip.pool(densities))
    start = network.skip.widths[0]
    for degree, product in enumerate(network.skip.plan):
        picks = np.asarray(network.skip.layer.mixing[degree].weight).argmax(axis=1)
        a, b = (picks[f.start : f.start + product.width] for f in product.factors)
        rho = np.asarray(densities[degree])
        expected = np.abs((rho[..., a] * rho[..., b]).sum(axis=0)) / np.sqrt(2 * degree + 1)
        found = np.abs(np.asarray(values)[:, start : start + product.width])
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-14)
        start += product.width


def test_read_noise_hurts_less_with_it():
    """On a chip with 5 % read noise the spread of predicted forces falls."""
    spreads = []
    for width in (0, 20):
        wide = replace(force_models.SMALL, skip_width=width)
        settings = replace(force_models.config("crossbar"), reservoir=wide)
        chip = rgnn.Chip.sample(seed=0, macros=1).with_noise(0.05)
        field = rgnn.ForceField.fit(
            force_models.training_frames(), config=settings, seed=0, chip=chip
        )
        frames = force_models.test_frames()[:1]
        draws = [field.predict(frames, uncertainty=False, seed=s)[0].forces for s in range(6)]
        spreads.append(np.std(draws, axis=0).mean())
    assert spreads[1] < 0.7 * spreads[0]


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="skip_width"):
        ReservoirConfig(skip_width=-1)
    with pytest.raises(InputError, match="complete family"):
        ReservoirConfig(skip_width=4, family="complete")
