"""Programming, drift and relaxation against curves sampled from aihwkit."""

from pathlib import Path

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.device import aging

PARITY = Path(__file__).parents[2] / "../shared/parity/crossbar"
N = 100_000
DAY = 86400.0


def curves(name):
    path = PARITY / f"aihwkit_noise_{name}.npz"
    if not path.exists():
        pytest.skip("curves sampled from aihwkit are not part of the repository")
    return np.load(path)


def assert_close(cells, mean, std, n_reference=20_000):
    """Within 1 % of the curve, or within sampling error where that is larger (4 σ)."""
    error = np.sqrt(1 / n_reference + 1 / N)
    mean_error = np.maximum(0.01 * mean, 4 * std * error)
    # The relative error of a sample's std is √((kurtosis − 1)/4n), measured on our sample.
    centred = (cells - cells.mean(1, keepdims=True)) / cells.std(1, keepdims=True)
    std_error = np.maximum(0.01, 4 * np.sqrt((centred**4).mean(1) - 1) / 2 * error)
    assert (np.abs(cells.mean(1) - mean) <= mean_error).all()
    assert (np.abs(cells.std(1) / std - 1) <= std_error).all()


def programmed(technology, g, seed=0):
    target = np.repeat(g.astype(float)[:, None], N, axis=1)
    return technology.program(target, np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "technology"), [("pcm", "pcm"), ("reram_wan2022", "wan-2022")])
def test_programming(name, technology):
    z = curves(name)
    cells = programmed(aging.technology(technology), z["g"])
    assert_close(cells, z["prog_mean"], z["prog_std"])


@pytest.mark.parametrize("time", ["0", "3600", "86400", "3.15e+07"])
def test_phase_change_memory_drifts(time):
    z = curves("pcm")
    memory = aging.technology("pcm")
    cells = memory.aged(programmed(memory, z["g"]), float(time), np.random.default_rng(1))
    assert_close(cells, z[f"mean_t{time}"], z[f"std_t{time}"])


@pytest.mark.parametrize("time", ["1", "86400", "172800"])
def test_filaments_relax(time):
    """The published law is that of one time around the target."""
    z = curves("reram_wan2022")
    target = np.repeat(z["g"].astype(float)[:, None], N, axis=1)
    sigma = aging.WAN_2022.std(target, float(time))
    cells = np.maximum(target + sigma * np.random.default_rng(2).normal(size=target.shape), 0)
    assert_close(cells, z[f"mean_t{time}"], z[f"std_t{time}"])


def test_ageing_adds_what_programming_lacks():
    memory = aging.WAN_2022
    cells = memory.aged(programmed(memory, np.array([20.0])), DAY, np.random.default_rng(1))
    assert abs(cells.std() / memory.std(np.array([20.0]), DAY)[0] - 1) < 0.02


def test_spread_is_interpolated_between_published_times():
    at = [aging.WAN_2022.std(np.array([10.0]), t)[0] for t in (1.0, 300.0, DAY, 1e5, 1e9)]
    assert at[0] < at[1] < at[2] and at[4] == pytest.approx(3.66, abs=0.01)


def test_cmo_moves_by_its_published_shift_in_an_hour():
    """−0.68 µS after one hour (arXiv 2502.04524) was observed; the fit says −0.73."""
    cells = np.full((1, N), 50.0)
    moved = aging.LogDrift().aged(cells, 3600.0, np.random.default_rng(0))
    assert moved.mean() - 50 == pytest.approx(-0.68, abs=0.06)


def test_arrhenius_time():
    """At 1.1 eV, 85 °C ages cells 1400 times faster than 27 °C: ln ratio = E_a/k ΔT⁻¹."""
    factor = aging.equivalent_seconds(1.0, kelvin=358.15, activation_energy=1.1)
    assert np.log(factor) == pytest.approx(1.1 / 8.617e-5 * (1 / 300 - 1 / 358.15), rel=1e-3)
    with pytest.raises(InputError, match="temperatures must be positive"):
        aging.equivalent_seconds(1.0, kelvin=0.0, activation_energy=1.1)
