"""Bills add up, grow with the work, and say where their constants come from."""

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.cost import baselines, bill, constants, count, original
from rgnn.crossbar.build import Periphery

SHAPES = {"density": [(20, 16), (10, 16)], "projection": [(4, 30)]}


def workload(**changes):
    sizes = {"n_species": 2, "n_radial": 8, "n_feature": 300, "n_atoms": 10, "n_neighbours": 12}
    return count.force_workload(SHAPES, **{**sizes, **changes})


def hardware(**changes):
    return bill.Hardware(Periphery(**changes), 1, 6.0)


def total(kind="energy", work=None, **changes):
    return bill.bill(work or workload(), hardware(**changes), constants.load()).total(kind)


def test_learnt_functions_are_combined_digitally():
    """Two degrees, 8 functions: 64 products for 120 pairs twice and 10 x 2 densities of 2l + 1."""
    more = workload(combined_degrees=[0, 1])
    assert more.digital_macs - workload().digital_macs == 64 * (2 * 240 + 20 * (1 + 3))
    assert more.arrays == workload().arrays


def test_reads_counted_by_hand():
    """10 atoms: 1 + 3 activation reads and 120 pairs × 2 slopes per degree, 3 for the scalars."""
    reads = {a.name: (a.activations, a.tangents, a.n_in) for a in workload().arrays}
    assert reads["density l=0"] == (10, 0, 16) and reads["density l=1"] == (30, 0, 16)
    assert reads["density l=1, slopes"] == (0, 240, 8)
    assert reads["projection l=0"] == (10, 360, 30)
    assert workload().reads == 10 + 240 + 30 + 240 + 10 + 360


def test_repeated_reads_and_work_around_the_chip_are_counted():
    reads = {a.name: a.reads for a in workload(activation_reads=8, derivative_reads=2).arrays}
    assert reads["density l=1"] == 8 * 30 and reads["density l=1, slopes"] == 2 * 240
    more = workload(skip_columns=[5, 7]).digital_macs - workload().digital_macs
    assert more == 120 * 2 * (5 + 3 * 7)


def test_energy_of_one_read_by_hand():
    """One input, one output, one pulse in two: cells 2 × ½ × V² G t = 0.2² × 6 µS × 10 ns."""
    one = count.Workload("one", (count.ArrayReads("a", 1, 1, 1, 0),), 0, 0, 1)
    energy = bill.bill(one, bill.Hardware(Periphery(bits=2), 1, 6.0), constants.load()).energy
    assert energy["cells"]["typical"] == pytest.approx(0.04 * 6 * 10 / 1e3)
    assert energy["drivers"]["typical"] == pytest.approx(0.417 / 2)
    assert energy["ADC"]["typical"] == pytest.approx(2.6 * 1.42**4)


def test_low_typical_high_are_in_order_and_sum():
    found = bill.bill(workload(), hardware(), constants.load())
    for kind in ("energy", "latency"):
        low, typical, high = (found.total(kind, case) for case in constants.CASES)
        assert low < typical < high
        parts = sum(item["typical"] for item in getattr(found, kind).values())
        assert typical == pytest.approx(parts)


def test_more_work_costs_more():
    assert total(work=workload(n_atoms=20)) == pytest.approx(2 * total(), rel=0.01)
    assert total(bits=10) > total(bits=6)
    assert total(adc_bits=8, adc_at="plane") > total(adc_bits=8)
    assert total("latency", slice_bits=2) < total("latency")


def test_every_constant_has_a_unit_and_a_source():
    for name, constant in constants.load().items():
        assert constant.unit and len(constant.source) > 10, name
        assert 0 < constant.low <= constant.typical <= constant.high, name


def test_own_constants(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("read_voltage: 0.1\nadc_time: {low: 1, typical: 2, high: 3}\n")
    mine = constants.load(path)
    assert mine["read_voltage"].high == 0.1 and mine["adc_time"].typical == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red_voltage: 0.1", "unknown constant 'red_voltage'"),
        ("read_voltage: low", "expected a number"),
        ("read_voltage: {low: 3, typical: 2, high: 4}", "0 < low ≤ typical ≤ high"),
        ("read_voltage: -1", "0 < low"),
        ("- 1", "expected lines such as"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_bad_constants(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        constants.load(path)


def test_amdahl():
    """Half of the work made ten times cheaper: 1 / (0.5 + 0.05)."""
    share = baselines.digital_share(1 / 0.55, array_gain=10.0)
    assert share == pytest.approx(0.5)
    with pytest.raises(InputError, match="cannot come from"):
        baselines.digital_share(12.0, array_gain=10.0)


def test_the_paper_trains_a_tenth_of_its_weights():
    for claim in baselines.PAPER:
        assert 0.9 < baselines.training_saved(claim) < 0.97
        assert original.ORIGINAL[claim.task]().macs > 0


def test_peaks_are_those_of_the_vendors():
    a100 = baselines.PEAKS[0]
    work = count.Workload("w", (count.ArrayReads("a", 100, 50, 10, 0),), 0, 0, 1)
    assert a100.energy_pj(work) == pytest.approx(2 * 50_000 * 400 / 312)
    np.testing.assert_allclose(a100.latency_ns(work), 1e5 / 312e3)
