"""The numbers behind the figures, and what the figures say."""

import io
import warnings

import numpy as np
import pytest

from rgnn.md.observables import RadialDistribution
from rgnn.plot import conductance, errors, ladder, parity, style
from rgnn.plot.overview import overview


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    forces = rng.normal(size=(400, 3))
    std = 0.05 * np.exp(0.5 * rng.normal(size=forces.shape))
    numbers = np.repeat([3, 8], 200)
    return forces, forces + std * rng.normal(size=forces.shape), std, numbers


def drawn(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), format="svg")
    return figure


def test_force_parity_has_a_panel_per_species_and_its_error(sample):
    reference, predicted, _, numbers = sample
    axes = drawn(parity.forces(reference, predicted, numbers)).axes
    assert [a.get_title(loc="left") for a in axes] == ["Force on Li", "Force on O"]
    mae = 1000 * np.abs(predicted - reference)[numbers == 3].mean()
    assert f"MAE {mae:.3g} meV/Å" in axes[0].texts[0].get_text()
    assert axes[0].get_xlabel() == "reference [eV/Å]"


def test_many_points_are_shown_as_a_density(sample):
    reference, predicted, _, numbers = (np.repeat(a, 20, axis=0) for a in sample)
    axes = drawn(parity.forces(reference, predicted, numbers)).axes[0]
    assert len(axes.collections) == 1
    assert len(axes.lines) == 1


def test_energy_parity_counts_per_atom():
    n_atoms = np.array([10, 20])
    reference = np.array([-10.0, -40.0])
    figure = drawn(parity.energies(reference, reference + 0.2, n_atoms, np.array([0.1, 0.1])))
    assert "MAE 15 meV/atom" in figure.axes[0].texts[0].get_text()


def test_parity_of_identical_values_draws():
    drawn(parity.values(np.ones(3), np.ones(3), quantity="Hopping", unit="meV"))


def test_error_distribution_is_normalised(sample):
    reference, predicted, _, numbers = sample
    axes = drawn(errors.distribution(reference, predicted, numbers)).axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["Li", "O"]
    assert axes.get_yscale() == "log"


def test_a_perfect_model_draws(sample):
    reference, _, std, numbers = sample
    drawn(errors.distribution(reference, reference, numbers))
    drawn(errors.coverage(np.zeros_like(std), std))


def test_binned_rms_follows_the_truth(sample):
    reference, predicted, std, _ = sample
    x, y = errors.binned_rms(predicted - reference, std, n_bin=5)
    assert np.all(np.diff(x) > 0)
    error_of_rms = 1 / np.sqrt(2 * std.size / 5)
    np.testing.assert_array_less(np.abs(y / x - 1), 4 * error_of_rms)
    drawn(errors.against_uncertainty(predicted - reference, std))


def test_binned_rms_keeps_every_point():
    error = np.array([3.0, 1.0, 2.0])
    x, y = errors.binned_rms(error, np.array([0.3, 0.1, 0.2]), n_bin=10)
    np.testing.assert_allclose(x, [0.1, 0.2, 0.3])
    np.testing.assert_allclose(y, [1.0, 2.0, 3.0])


def test_coverage_of_known_errors():
    """68.27 % of a Gaussian lies within one standard deviation."""
    error, std = np.array([0.0, 0.5, -0.9, 1.1]), np.ones(4)
    found = errors.observed_coverage(error, std, np.array([0.01, 0.6827, 0.9999]))
    np.testing.assert_allclose(found, [0.25, 0.75, 1.0])


def test_conductance_figures_name_what_they_show():
    cells = np.array([[0.0, 10.0], [12.0, 14.0]])
    figure = drawn(conductance.histogram(cells, np.array([-1.0, 1.0])))
    assert [a.get_xlabel() for a in figure.axes] == [
        "conductance [µS]",
        "weight [standard deviations]",
    ]
    assert figure.axes[0].get_title(loc="left") == "4 cells, 75% conducting"
    drawn(conductance.map_of(cells))


def test_ladder_writes_values_on_bars():
    figure = drawn(ladder.bars(["Exact", "Crossbar"], [1.0, 2.5], [0.1, 0.2], label="MAE [meV/Å]"))
    written = {t.get_text() for t in figure.axes[0].texts}
    assert {"1", "2.5"} <= written


def test_the_overview_labels_every_pair(sample):
    reference, predicted, _, _ = sample
    radius = np.linspace(0.1, 6, 50)
    radial = RadialDistribution(radius, ((3, 3), (3, 8)), np.ones((2, 50)), np.ones((2, 50)))
    figure = drawn(overview(np.full((100, 100), 10.0), reference, predicted, radial))
    legend = figure.axes[2].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["Li–Li", "Li–O"]


def test_style_does_not_leak():
    import matplotlib

    before = dict(matplotlib.rcParams)
    ladder.bars(["a"], [1.0], label="x")
    assert dict(matplotlib.rcParams) == before


def test_unused_panels_are_hidden():
    figure, axes = style.panels(3, columns=2)
    assert len(axes) == 3
    assert not figure.axes[3].get_visible()
