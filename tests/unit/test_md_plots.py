"""Figures of runs: every curve is there, axes carry units."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from matplotlib.colors import to_hex

from rgnn.md.analysis import Displacement, analyse
from rgnn.md.config import MDConfig
from rgnn.md.dynamics import run
from rgnn.md.observables import diffusion, mean_square_displacement
from rgnn.plot import dynamics
from rgnn.plot.style import PALETTE


def drawn(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_every_figure_of_a_run_draws_with_units(tmp_path, ensemble):
    settings = MDConfig(300.0, 60, ensemble=ensemble, log_interval=2, trajectory_interval=1)
    run(bulk("Cu", cubic=True), EMT(), settings, tmp_path)
    figures = dynamics.figures(analyse(tmp_path))
    assert set(figures) == {
        *("temperature", "energy", "pressure", "radial", "diffusion", "vibrations")
    }
    assert len(drawn(figures["energy"])) == (2 if ensemble == "nve" else 1)
    assert len(drawn(figures["pressure"])) == (2 if ensemble == "npt" else 1)
    for name, figure in figures.items():
        figure.canvas.draw()
        for axes in drawn(figure):
            assert axes.get_title(loc="left"), name
            assert "[" in axes.get_xlabel(), name
            assert (
                "[" in axes.get_ylabel() or "⟩" in axes.get_ylabel() or "g(r)" in axes.get_ylabel()
            )


def test_the_fitted_line_lies_on_the_displacement():
    walk = np.random.default_rng(0).normal(size=(2000, 20, 3)).cumsum(axis=0)
    msd = mean_square_displacement(walk)[:1000]
    one = Displacement(np.arange(1000.0), msd, diffusion(walk, 1.0))
    figure = dynamics.displacement({"Li": one})
    (axes,) = drawn(figure)
    curve, line = axes.get_lines()
    assert to_hex(curve.get_color()) == PALETTE[0].lower()
    expected = np.interp(line.get_xdata(), np.arange(1000.0), msd)
    assert line.get_ydata() == pytest.approx(expected, rel=0.1)
    (legend,) = figure.legends
    assert "×10⁻⁵ cm²/s" in legend.get_texts()[0].get_text()


def test_uncertainty_is_drawn_from_zero():
    figure = dynamics.uncertainty(np.arange(5.0), np.array([0.1, 0.2, 0.1, 0.3, 0.2]))
    (axes,) = drawn(figure)
    assert axes.get_ylim()[0] == 0
