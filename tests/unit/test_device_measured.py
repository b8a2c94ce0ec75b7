"""Measured maps from all kinds of files, in all kinds of units, and what is refused."""

import numpy as np
import pytest
import scipy.io

from rgnn.core.errors import InputError
from rgnn.device import laws, measured, transform
from rgnn.device.characterise import characterise
from rgnn.device.chip import Chip


@pytest.fixture(scope="module")
def cells():
    return laws.LogNormal(20.0, 0.3).sample(np.random.default_rng(0), (30, 40))


@pytest.mark.parametrize(
    ("array", "values"),
    [
        ("map_uS", lambda g: g),
        ("map", lambda g: g),
        ("map_S", lambda g: g * 1e-6),
        ("map", lambda g: g * 1e-6),
        ("map_ohm", lambda g: 1e6 / g),
        ("map", lambda g: 1e6 / g),
        ("map_kohm", lambda g: 1e3 / g),
    ],
)
def test_units_by_name_and_by_size(tmp_path, cells, array, values):
    np.savez(tmp_path / "map.npz", **{array: values(cells)})
    np.testing.assert_allclose(measured.load(tmp_path / "map.npz").maps[0][0], cells)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".tsv", ".txt", ".mat"])
def test_formats(tmp_path, cells, suffix):
    path = tmp_path / f"map{suffix}"
    if suffix == ".npy":
        np.save(path, cells)
    elif suffix == ".mat":
        scipy.io.savemat(path, {"G": cells})
    else:
        delimiter = {".csv": ",", ".tsv": "\t", ".txt": " "}[suffix]
        header = delimiter.join(f"BL{c}" for c in range(40)) if suffix == ".csv" else ""
        np.savetxt(path, cells, delimiter=delimiter, header=header, comments="")
    np.testing.assert_allclose(measured.load(path).maps[0][0], cells)


def test_an_infinite_resistance_is_an_open_cell(cells):
    ohm = 1e6 / cells
    ohm[2, 3] = np.inf
    assert measured.load({"map_ohm": ohm}).maps[0][0, 2, 3] == 0


def test_repeated_reads_are_told_from_several_chips(cells):
    rng = np.random.default_rng(1)
    reads = cells * (1 + 0.02 * rng.normal(size=(6, *cells.shape)))
    assert measured.load({"chip": reads}).n_read == 6
    assert measured.load({f"read{i}": r for i, r in enumerate(reads)}).n_read == 6
    others = laws.LogNormal(20.0, 0.3).sample(rng, (6, *cells.shape))
    assert measured.load({"chips": others}).n_read == 1
    assert len(measured.load({"chips": others}).maps) == 6


def test_characterisation_of_repeated_reads(cells):
    rng = np.random.default_rng(1)
    found = characterise(measured.load(cells * (1 + 0.02 * rng.normal(size=(10, *cells.shape)))))
    assert found.candidates[0].name == "log-normal" and found.wiring == "pairs"
    assert found.read_noise is not None
    assert found.read_noise.relative == pytest.approx(0.02, rel=0.05)
    assert found.chip().conductance.shape == (1, 30, 40)
    np.testing.assert_allclose(found.chip().conductance[0], cells, rtol=0.05)


def test_signed_weights_of_shared_cells_are_traced_back(cells):
    weights = np.diff(cells, axis=1)
    chip = Chip.from_measurements(weights)
    assert chip.wiring == "shared"
    np.testing.assert_allclose(np.diff(chip.conductance[0], axis=0).T, weights, atol=1e-9)
    mean, spread = chip.conductance.mean(), chip.conductance.std() / chip.conductance.mean()
    assert mean == pytest.approx(20, rel=0.3) and spread == pytest.approx(0.3, rel=0.3)
    across = Chip.from_measurements(weights.T)
    np.testing.assert_allclose(across.conductance, chip.conductance)


def test_independent_signed_weights_become_pairs():
    weights = np.random.default_rng(0).normal(size=(12, 15))
    chip = Chip.from_measurements(weights)
    assert chip.wiring == "pairs" and chip.conductance.shape == (1, 15, 24)
    pairs = chip.conductance[0].T
    np.testing.assert_allclose(pairs[::2] - pairs[1::2], weights)


def test_a_new_chip_drawn_from_the_fit_is_like_the_old(cells):
    found = characterise(measured.load(cells))
    drawn = found.sample(seed=1).conductance
    assert drawn.mean() == pytest.approx(cells.mean(), rel=0.05)
    assert drawn.std() == pytest.approx(cells.std(), rel=0.1)


def spoiled(cells, value):
    wrong = cells.copy()
    wrong[4, 5] = value
    return wrong


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda g: spoiled(g, np.nan), {}, r"1 of 1200 values are NaN, the first at \(4, 5\)"),
        (lambda g: spoiled(g, -1.0), {"unit": "uS"}, "1 values are negative"),
        (lambda g: spoiled(g, -1.0), {}, r"1 values are negative.*\(4, 5\) of 'map'"),
        (lambda g: spoiled(1e6 / g, 0.0), {"unit": "ohm"}, "1 resistances are not positive"),
        (lambda g: np.where(np.arange(40) < 20, g, g * 1e-6), {}, "mixed units"),
        (lambda g: np.zeros_like(g), {}, "every cell is 0"),
        (lambda g: g[0], {}, "no map of conductances"),
        (lambda g: g, {"array": "other"}, "no array 'other'; it holds map"),
    ],
)
def test_bad_maps(cells, make, options, message):
    with pytest.raises(InputError, match=message):
        measured.load(make(cells), **options)


def test_a_line_of_stuck_cells_is_named(cells):
    stuck = cells.copy()
    stuck[:, 7] = 0
    with pytest.raises(InputError, match=r"all cells of column 7 read 0 µS \(1 such"):
        characterise(measured.load(stuck))


def test_a_table_with_a_word_in_it_says_where(tmp_path):
    (tmp_path / "map.csv").write_text("1,2,3\n4,five,6\n")
    with pytest.raises(InputError, match=r"map\.csv, data row 2: 'five' is not a number"):
        measured.load(tmp_path / "map.csv")
    (tmp_path / "map.csv").write_text("1,2,3\n4,5\n")
    with pytest.raises(InputError, match="data row 2: 2 numbers, the first row has 3"):
        measured.load(tmp_path / "map.csv")


def test_events_leave_the_chip_they_happen_to_alone():
    chip = Chip.sample("wan-2022", seed=1)
    before = chip.conductance.copy()
    old = transform.aged(chip, 86400.0, technology="wan-2022")
    assert (old.conductance - before).std() > 1 and (chip.conductance == before).all()
    again = transform.aged(chip, 86400.0, technology="wan-2022")
    np.testing.assert_array_equal(again.conductance, old.conductance)


def test_smaller_macros_hold_the_same_cells():
    chip = Chip.sample(seed=1)
    small = transform.rearranged(chip, rows=128, columns=64)
    assert small.conductance.shape == (32, 128, 64)
    np.testing.assert_array_equal(small.conductance[1], chip.conductance[0, :128, 64:128])
    with pytest.raises(InputError, match="cannot be cut"):
        transform.rearranged(chip, rows=100, columns=64)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (lambda c: transform.aged(c, -1.0, technology="pcm"), "must not be negative"),
        (lambda c: transform.aged(c, 1.0, technology=None), "no drift was published"),
        (lambda c: transform.aged(c, 1.0, technology="pcm", kelvin=350.0), "activation energy"),
        (lambda c: transform.stuck(c, open_fraction=1.2), "between 0 and 1"),
    ],
)
def test_impossible_events(event, message):
    with pytest.raises(InputError, match=message):
        event(Chip.sample(seed=0))
