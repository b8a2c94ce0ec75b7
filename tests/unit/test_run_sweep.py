"""Sweeps: what each property does to a chip, and tables of errors however they are computed."""

from pathlib import Path

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.device import transform
from rgnn.device.chip import Chip
from rgnn.run import sweep

CHIP = Chip(np.random.default_rng(0).lognormal(3.0, 0.3, (1, 64, 64))).with_noise(0.02)


def changed(vary, value, **circumstances):
    at = sweep.Circumstances(**circumstances)
    return sweep.PROPERTIES[vary].apply(CHIP, Periphery(), value, at)


def test_periphery_is_varied():
    assert changed("bits", 6.0)[1].bits == 6 and changed("adc_bits", 9.0)[1].adc_bits == 9
    assert changed("adc_range", 1.5)[1].adc_range == 1.5


@pytest.mark.parametrize(
    ("vary", "value"),
    [("age", 86400.0), ("stuck", 0.05), ("telegraph", 0.3), ("levels", 4), ("chip", 5)],
)
def test_cells_are_varied(vary, value):
    chip, periphery = changed(vary, value)
    assert (chip.conductance != CHIP.conductance).any() and periphery == Periphery()
    assert chip.noise == CHIP.noise and chip.conductance.shape == CHIP.conductance.shape


def test_chips_grow_old_by_the_law_that_is_asked_for():
    def drift(**ageing):
        at = sweep.Ageing(**ageing)
        return float(np.median(changed("age", 3600.0, ageing=at)[0].conductance / CHIP.conductance))

    # Phase-change memory loses conductance as t^-0.05 … 0.1 after 20 s, hot cells faster.
    assert 181**-0.1 < drift(technology="pcm") < 181**-0.04
    hot = drift(technology="pcm", kelvin=350.0, activation_energy=0.5)
    assert hot < drift(technology="pcm") < drift(technology="wan-2022") + 0.1
    with pytest.raises(InputError, match="needs an activation energy"):
        drift(kelvin=350.0)
    with pytest.raises(InputError, match="unknown technology 'sand'"):
        drift(technology="sand")


def test_wires_noise_and_macros_are_varied():
    assert changed("noise", 0.1)[0].noise.relative == 0.1
    assert changed("wires", 2.0)[0].wires.word_line == 2.0
    assert changed("rows", 32)[0].conductance.shape == (4, 32, 32)


def test_another_chip_is_of_the_same_kind():
    other = transform.redrawn(CHIP, seed=7)
    assert other.conductance.mean() == pytest.approx(CHIP.conductance.mean(), rel=0.02)
    assert other.conductance.std() == pytest.approx(CHIP.conductance.std(), rel=0.05)
    same = transform.redrawn(CHIP, seed=7)
    np.testing.assert_array_equal(other.conductance, same.conductance)


@pytest.fixture
def order():
    return sweep.Sweep(Path("run"), ("test.extxyz",), "noise", (0.0, 0.1), repeats=2)


def test_a_table_a_figure_and_a_report(tmp_path, monkeypatch, order):
    def point(order, value, repeat):
        return dict(zip(sweep.ERRORS, (100 * value + repeat, value), strict=True))

    monkeypatch.setattr(sweep, "point", point)
    seen = []
    errors = sweep.run(order, progress=lambda what, done, total: seen.append((done, total)))
    assert seen[-1] == (4, 4)
    np.testing.assert_allclose(errors[sweep.ERRORS[0]], [[0, 1], [10, 11]])
    page = sweep.write(order, errors, tmp_path / "out")
    assert "Sweep of noise" in page.read_text()
    table = (tmp_path / "out" / "sweep.csv").read_text().splitlines()
    assert len(table) == 5 and table[0] == f"noise,repeat,{','.join(sweep.ERRORS)}"
    assert sweep.lines(order, errors)[1][1].startswith("forces 10.5 ± 0.71 meV/Å")
    assert sweep.record(order, errors)["values"] == [0.0, 0.1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vary": "colour"}, "--vary colour: known are bits"),
        ({"vary": "wires"}, "name the training data with --train"),
        ({"values": ()}, "at least one value"),
    ],
)
def test_impossible_sweeps_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        sweep.Sweep(
            **{"model": Path("run"), "data": ("x",), "vary": "noise", "values": (0.0,)} | settings
        )


def test_impossible_values_are_refused_before_anything_long_starts(order):
    with pytest.raises(InputError, match="ADC bits must be between 2 and 24, got 99"):
        sweep.run(sweep.Sweep(order.model, order.data, "adc_bits", (99.0,)))
    with pytest.raises(InputError, match="expected numbers"):
        sweep.numbers("0,much")
