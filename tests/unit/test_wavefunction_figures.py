"""Figures of wavefunctions: iterations and samples are whole numbers."""

import numpy as np
import pytest

from rgnn.plot import wavefunction as figures


@pytest.mark.parametrize("count", [1, 2, 12, 35, 300])
def test_iterations_and_samples_have_whole_numbers_as_ticks(count):
    series = -1 + 0.1 * np.random.default_rng(0).normal(size=(count, 8))
    training = figures.training(series.mean(1), series.var(1) + 0.1, -1.0)
    evaluation = figures.evaluation(series, 0.01, -1.0)
    for axes in (*training.axes, evaluation.axes[0]):
        ticks = axes.get_xticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
        low, high = axes.get_xlim()
        assert low < 1
        assert high > count
