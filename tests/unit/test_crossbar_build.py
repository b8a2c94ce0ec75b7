"""Cutting matrices out of a chip: every cell once, and a clear word when cells run out."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar import build
from rgnn.crossbar.array import Crossbar
from rgnn.crossbar.matvec import Exact, Quantised
from rgnn.crossbar.tiled import Tiled
from rgnn.device.chip import Chip
from rgnn.device.wires import Wires


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


@pytest.mark.parametrize(("wiring", "n_tile"), [("pairs", 3), ("shared", 3)])
def test_more_inputs_than_rows_are_split_into_tiles(wiring, n_tile):
    block = build.cut(numbered(macros=3, wiring=wiring), [(2, 25)])[0]
    mv = build.mount(block, build.Periphery(adc_bits=None), limit=1.0, dtype="float32")
    assert isinstance(mv, Tiled) and len(mv.tiles) == n_tile and mv.weight.shape == (2, 25)
    np.testing.assert_allclose(mv.weight, block.weight, rtol=1e-6)
    x = jnp.linspace(-1, 1, 25)
    np.testing.assert_allclose(mv(x), mv.weight @ x, atol=0.1)
    np.testing.assert_allclose(mv.driven(8, 21).weight, mv.weight[:, 8:21])
    assert mv.tangent_law(x).power.shape[-1] == mv.read_variance.shape[-1]


def test_rungs():
    block = build.cut(numbered(), [(2, 3)])[0]
    for rung, kind in {"exact": Exact, "quantised": Quantised, "crossbar": Crossbar}.items():
        mv = build.mount(block, build.Periphery(rung), limit=1.0, dtype="float32")
        assert type(mv) is kind
        np.testing.assert_allclose(mv.weight, block.weight, rtol=1e-6)


def test_a_smaller_range_has_finer_steps_and_clips():
    block = build.cut(Chip.sample(seed=0).with_noise(0.0), [(12, 20)])[0]
    whole, half = (
        build.mount(block, build.Periphery(adc_bits=8, adc_range=r), limit=1.0, dtype="float32")
        for r in (4.0, 0.5)
    )
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (50, 20)), "float32")
    codes = np.round(127 * x) / 127
    ideal = codes @ block.weight.T
    norm = np.sqrt((block.weight**2).sum(axis=1).max())
    fits = np.abs(ideal) < 0.5 * norm
    step = 0.5 * norm / 127
    key = jax.random.key(0)
    assert np.abs(half(x, key=key) - ideal)[fits].max() <= 0.501 * step
    assert np.abs(whole(x, key=key) - ideal)[fits].max() > 2 * step
    assert not fits.all() and np.abs(half(x, key=key)).max() <= 0.5001 * norm


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 1}, "input bits must be between 2 and 16, got 1"),
        ({"adc_bits": 40}, "ADC bits must be between 2 and 24, got 40"),
        ({"adc_range": 0.0}, "range of the output converter must be positive, got 0.0"),
        ({"slice_bits": 8}, "between 1 and 7 bits, got 8"),
        ({"adc_gain_error": -0.1}, "not negative"),
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


def test_ideal_wires_change_nothing():
    chip = Chip.sample(seed=1)
    plain = build.cut(chip, [(5, 7)])[0]
    wired = build.cut(chip.with_wires(0.0, 0.0), [(5, 7)])[0]
    np.testing.assert_allclose(wired.cells, plain.cells, rtol=1e-12)


def test_wires_weaken_the_far_corner_most_and_noise_with_it():
    cells = np.random.default_rng(0).gamma(9.0, 10.0, (1, 64, 64))
    chip = Chip(cells).with_noise(0.05)
    plain = build.cut(chip, [(32, 32)])[0]
    wired = build.cut(chip.with_wires(2.0, 2.0), [(32, 32)])[0]
    kept = wired.cells / plain.cells
    assert (kept < 1).all() and kept[-1].mean() < kept[0].mean()
    np.testing.assert_allclose(wired.cell_std / wired.cells, 0.05)


def test_a_strip_far_from_the_ground_loses_more():
    """The first strip lies on top of a macro: its bit lines pass all other rows."""
    cells = np.random.default_rng(0).gamma(9.0, 10.0, (1, 40, 64))
    chip = Chip(np.concatenate([cells[:, :20], cells[:, :20]], axis=1)).with_wires(0.0, 5.0)
    top, bottom = (build.read_strip(chip, 0, first, 20)[0] for first in (0, 20))
    assert (top < bottom).all()


def test_gate_driven_wires_are_refused_with_the_way_out():
    chip = replace(Chip.sample(seed=1), wires=Wires(drive="gate"))
    with pytest.raises(InputError, match="gate_driven_currents"):
        build.cut(chip, [(2, 2)])


def test_wires_are_saved_with_the_chip(tmp_path):
    numbered().with_wires(0.3, 2.5).save(tmp_path / "chip.npz")
    assert Chip.load(tmp_path / "chip.npz").wires == Wires(0.3, 2.5)
