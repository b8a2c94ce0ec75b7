"""Chips from files and from distributions, and what is refused at the door."""

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.device import transform
from rgnn.device.chip import Chip, weight_unit


def test_a_saved_chip_reads_the_same(tmp_path):
    chip = Chip(np.arange(1, 13.0).reshape(1, 3, 4), wiring="shared", name="mine")
    chip = chip.with_noise(0.03, additive=0.2)
    chip.save(tmp_path / "chip.npz")
    again = Chip.load(tmp_path / "chip.npz")
    np.testing.assert_array_equal(again.conductance, chip.conductance)
    assert (again.noise, again.wiring, again.name) == (chip.noise, "shared", "mine")


def test_the_scale_of_weights_survives_what_happens_to_the_cells(tmp_path):
    """The digital side does not notice that a chip has aged."""
    chip = Chip.sample("wan-2022", seed=1)
    old = transform.aged(chip, 86400.0, technology="wan-2022")
    old.save(tmp_path / "old.npz")
    for changed in (old, Chip.load(tmp_path / "old.npz"), transform.levelled(old, levels=4)):
        assert weight_unit(changed) == weight_unit(chip)


def test_a_bare_map_is_one_macro(tmp_path):
    np.savez(tmp_path / "map.npz", anything=np.ones((5, 7)) + np.eye(5, 7))
    chip = Chip.load(tmp_path / "map.npz")
    assert chip.conductance.shape == (1, 5, 7) and chip.noise.relative == 0 == chip.noise.additive


def test_program_and_read_are_apart():
    """The seed fixes the cells once; the noise law changes no cell."""
    chip = Chip.sample(seed=4)
    np.testing.assert_array_equal(chip.conductance, Chip.sample(seed=4).conductance)
    np.testing.assert_array_equal(chip.conductance, chip.with_noise(0.3).conductance)
    assert (chip.conductance != Chip.sample(seed=5).conductance).mean() > 0.4


def test_the_first_macro_does_not_depend_on_how_many_are_sampled():
    one, two = Chip.sample(seed=2, macros=1), Chip.sample(seed=2, macros=2)
    np.testing.assert_array_equal(one.conductance[0], two.conductance[0])


def test_read_noise_adds_in_squares():
    cells = np.array([0.0, 10.0])
    std = Chip(cells[None, None]).with_noise(0.3, additive=4.0).noise.std(cells)
    np.testing.assert_allclose(std, [4, 5])


def map_with(value):
    cells = np.ones((6, 8))
    cells[2, 3] = value
    return cells


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (map_with(np.nan), r"1 conductances are NaN or infinite, the first in macro 0, row 2, col"),
        (map_with(np.inf), "NaN or infinite"),
        (map_with(-3.0), r"1 conductances are negative \(down to -3\)"),
        (np.zeros((6, 8)), "every conductance is 0"),
        (np.ones((2, 2, 2, 2)), r"shape \(2, 2, 2, 2\); expected"),
        (np.zeros((0, 4)), "is empty"),
    ],
)
def test_maps_that_no_chip_can_be_are_refused(tmp_path, cells, message):
    np.savez(tmp_path / "map.npz", cells=cells)
    with pytest.raises(InputError, match=message):
        Chip.load(tmp_path / "map.npz")


def test_files_that_are_no_chips_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such chip file"):
        Chip.load(tmp_path / "absent.npz")
    (tmp_path / "noise.npz").write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="npz file of plain arrays"):
        Chip.load(tmp_path / "noise.npz")
    np.savez(tmp_path / "objects.npz", cells=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="objects are never loaded"):
        Chip.load(tmp_path / "objects.npz")
    np.savez(tmp_path / "two.npz", a=np.ones((2, 2)), b=np.ones((2, 2)))
    with pytest.raises(InputError, match=r"conductance_uS.*\['a', 'b'\]"):
        Chip.load(tmp_path / "two.npz")


def test_absurd_requests_are_refused():
    with pytest.raises(InputError, match="macros must be at least 1"):
        Chip.sample(macros=0)
    with pytest.raises(InputError, match=r"unknown chip preset 'rram'; known: .*rram-40nm"):
        Chip.sample("rram")
    with pytest.raises(InputError, match="must not be negative"):
        Chip(np.ones((1, 2, 2))).with_noise(-0.1)
