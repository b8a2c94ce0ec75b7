"""Cutting matrices out of a chip: every cell once, and a clear word when cells run out."""

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar import build
from rgnn.crossbar.matvec import Crossbar, Exact, Quantised
from rgnn.device.chip import Chip


def numbered(macros=2, rows=10, columns=16, wiring="pairs"):
    """A chip whose every cell holds its own number, so that it can be recognised."""
    cells = 1.0 + np.arange(macros * rows * columns, dtype=float)
    return Chip(cells.reshape(macros, rows, columns), wiring=wiring)


@pytest.mark.parametrize(
    ("wiring", "shapes"),
    [
        ("pairs", [(3, 4), (5, 4), (2, 6), (4, 6), (3, 10)]),
        ("shared", [(3, 4), (15, 4), (9, 5), (3, 3), (20, 3)]),
        ("pairs", [(2, 25)]),
        ("shared", [(4, 19)]),
    ],
)
def test_no_cell_is_handed_out_twice(wiring, shapes):
    chip = numbered(macros=3, wiring=wiring)
    blocks = build.cut(chip, shapes)
    cells = np.concatenate([block.cells.ravel() for block in blocks])
    assert len(np.unique(cells)) == len(cells) and set(cells) <= set(chip.conductance.ravel())
    for block, shape in zip(blocks, shapes, strict=True):
        assert block.weight.shape == shape


def test_a_block_is_word_lines_of_one_macro_by_its_bit_lines():
    chip = numbered()
    block = build.cut(chip, [(2, 3)])[0]
    np.testing.assert_array_equal(block.cells, chip.conductance[0, :3, :4].T)
    np.testing.assert_allclose(block.weight, -block.gain)  # neighbouring numbers differ by one


def test_blocks_do_not_depend_on_later_ones():
    chip = numbered()
    alone = build.cut(chip, [(3, 4)])[0]
    first = build.cut(chip, [(3, 4), (2, 6)])[0]
    np.testing.assert_array_equal(alone.cells, first.cells)


def test_a_model_larger_than_the_chip_says_how_many_macros_it_needs():
    with pytest.raises(InputError, match=r"needs 5 macros of 10×16 cells.*has 2"):
        build.cut(numbered(), [(8, 10)] * 5)


def test_more_inputs_than_rows_are_split_over_shelves():
    block = build.cut(numbered(macros=3), [(2, 25)])[0]
    assert block.cells.shape == (4, 25)


def test_rungs():
    block = build.cut(numbered(), [(2, 3)])[0]
    for rung, kind in {"exact": Exact, "quantised": Quantised, "crossbar": Crossbar}.items():
        mv = build.mount(block, build.Periphery(rung), limit=1.0, dtype="float32")
        assert type(mv) is kind
        np.testing.assert_allclose(mv.weight, block.weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 1}, "input bits must be between 2 and 16, got 1"),
        ({"adc_bits": 40}, "ADC bits must be between 2 and 24, got 40"),
    ],
)
def test_absurd_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        build.Periphery(**settings)


def test_a_chip_of_equal_cells_makes_no_weights():
    with pytest.raises(InputError, match="all cells are equal"):
        build.cut(Chip(np.full((1, 4, 4), 5.0)), [(2, 2)])


def test_weights_have_unit_variance_over_a_chip():
    block = build.cut(Chip.sample(seed=1), [(200, 500)])[0]
    assert abs(block.weight.std() - 1) < 0.01 and abs(block.weight.mean()) < 0.02
