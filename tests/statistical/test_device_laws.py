"""Fits find the distribution and the noise that made the data."""

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.device import faults, laws, noise

SHAPE = (200, 200)
N = SHAPE[0] * SHAPE[1]


@pytest.mark.parametrize(
    "law",
    [
        laws.LogNormal(12.0, 0.4),
        laws.LogLogistic(30.0, 5.0),
        laws.Normal(100.0, 20.0),
        laws.Mixture(0.3, laws.LogNormal(12.0, 0.1), laws.LogNormal(30.0, 0.3)),
    ],
    ids=lambda law: type(law).__name__,
)
@pytest.mark.parametrize("fraction", [1.0, 0.49])
def test_the_law_that_made_the_cells_wins_and_its_numbers_return(law, fraction):
    true = law if fraction == 1 else laws.Formed(fraction, law)
    cells = true.sample(np.random.default_rng(3), SHAPE)
    found, _ = laws.fit(cells)[0]
    assert type(found) is type(true)
    for name, value in true.parameters.items():
        # Every parameter here has a relative standard error below 1.2/√n of conducting cells.
        assert found.parameters[name] == pytest.approx(value, rel=5 / np.sqrt(fraction * N))


def test_too_few_cells_are_refused():
    with pytest.raises(InputError, match="too few to fit"):
        laws.fit(np.array([[1.0, 2.0], [0.0, 3.0]]))


def test_forming_voltage_sets_sparsity():
    """A sweep that stops at the mean breakdown voltage forms half of the cells."""
    assert laws.breakdown_fraction(3.4, mean=3.4, std=0.1) == pytest.approx(0.5)
    voltages = np.random.default_rng(0).normal(3.4, 0.1, N)
    assert laws.breakdown_fraction(3.5, mean=3.4, std=0.1) == pytest.approx(
        (voltages < 3.5).mean(), abs=4 * 0.5 / np.sqrt(N)
    )


@pytest.mark.parametrize("n_read", [2, 5, 20])
def test_read_noise_is_found_from_repeated_reads(n_read):
    rng = np.random.default_rng(n_read)
    cells = rng.gamma(4.0, 8.0, SHAPE)
    reads = cells + np.hypot(0.03 * cells, 0.4) * rng.normal(size=(n_read, *SHAPE))
    found = noise.fit(reads)
    assert found.relative == pytest.approx(0.03, rel=0.03)
    assert found.additive == pytest.approx(0.4, rel=0.05)


def test_telegraphing_cells_are_told_from_steady_ones():
    rng = np.random.default_rng(0)
    cells = rng.gamma(9.0, 5.0, N)
    reads = cells * (1 + 0.01 * rng.normal(size=(12, N)))
    reads[:, :400] *= np.where(rng.random((12, 400)) < 0.5, 0.7, 1.0)
    steady = noise.steady(reads)
    assert steady[400:].mean() > 0.999 and steady[:400].mean() < 0.01
    assert noise.fit(reads).relative == pytest.approx(0.01, rel=0.05)


def test_stuck_cells_are_found_and_good_ones_left_alone():
    cells = laws.LogNormal(12.0, 0.15).sample(np.random.default_rng(1), SHAPE)
    assert faults.outliers(cells).sum() <= 1
    cells[3, 4], cells[100, 7] = 60.0, 45.0
    assert set(map(tuple, np.argwhere(faults.outliers(cells)))) >= {(3, 4), (100, 7)}
    assert faults.outliers(cells).sum() <= 3


def test_stuck_fractions():
    rng = np.random.default_rng(2)
    cells = faults.with_stuck_cells(
        np.full(N, 10.0), rng, open_fraction=0.02, on_fraction=0.01, on=50.0
    )
    for value, share in ((0.0, 0.02), (50.0, 0.01)):
        assert abs((cells == value).mean() - share) < 4 * np.sqrt(share / N)


def test_a_telegraph_snapshot_lowers_the_trapped_share():
    rng = np.random.default_rng(2)
    cells = faults.with_telegraph_noise(
        np.full(N, 10.0), rng, fraction=0.2, amplitude=0.1, spread=0.3, duty=0.5
    )
    assert abs((cells < 10).mean() - 0.1) < 4 * np.sqrt(0.09 / N)
    drop = 1 - cells[cells < 10] / 10
    assert np.median(drop) == pytest.approx(0.1, rel=0.03)


def test_levels():
    cells = np.array([0.0, 4.9, 5.1, 11.0, 99.0])
    levels = faults.on_levels(cells, levels=3, low=0.0, high=20.0)
    np.testing.assert_array_equal(levels, [0, 0, 10, 10, 20])
    with pytest.raises(InputError, match="at least 2"):
        faults.on_levels(cells, levels=1, low=0.0, high=1.0)
