"""Digital-to-digital products of other simulators, from their own saved conductances."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.crossbar import mapping
from rgnn.crossbar.array import Crossbar
from rgnn.crossbar.tiled import Tiled

PARITY = Path(__file__).parents[2] / "../shared/parity/crossbar"


def saved(name):
    path = PARITY / f"{name}.npz"
    if not path.exists():
        pytest.skip("products computed by other simulators are not part of the repository")
    return np.load(path)


def crosssim_array(z, *, signed, at, style="rise", cells=None):
    """Their array in our words: conductances relative to G_max, range in output units."""
    cells = np.stack([z["Gpos_norm"], z["Gneg_norm"]], axis=1) if cells is None else cells
    gain = float(z["Wmax"]) / (1 - float(z["Gmin_norm"]))
    return Crossbar(
        cells=jnp.asarray(cells.reshape(-1, cells.shape[-1]), float),
        cell_std=None,
        gain=jnp.asarray(gain),
        limit=jnp.asarray(1.0),
        adc_limit=jnp.asarray(float(z["adc_range"][1]) * gain),
        bits=8,
        adc_bits=8,
        adc_at=at,
        adc_style=style,
        signed_inputs=signed,
    )


def between_ties(mv, x, resolution):
    """Outputs with the converters' ties nudged down and up by what float32 cannot resolve."""
    nudged = [
        Crossbar(**{**vars(mv), "adc_offset": jnp.full(len(mv.cells) // 2, sign * resolution)})
        for sign in (-1, 1)
    ]
    return [np.asarray(array(x)).T for array in nudged]


@pytest.mark.parametrize(
    ("case", "signed", "at"),
    [("A_signed8_adc8_end", True, "end"), ("B_unsigned8_adc8_perbit", False, "plane")],
)
def test_crosssim(case, signed, at):
    z = saved(f"crosssim_{case}")
    with jax.enable_x64(True):
        y = crosssim_array(z, signed=signed, at=at)(jnp.asarray(z["X"].T, float))
    assert np.abs(np.asarray(y).T - z["Y"]).max() <= 1e-5


def test_crosssim_conductances_of_one_sided_pairs():
    z = saved("crosssim_A_signed8_adc8_end")
    low = float(z["Gmin_norm"])
    block = mapping.on_pairs(z["W"].astype(float), mapping.Range(low, 1.0))
    np.testing.assert_allclose(block.cells[::2], z["Gpos_norm"], atol=2e-7)
    np.testing.assert_allclose(block.cells[1::2], z["Gneg_norm"], atol=2e-7)
    np.testing.assert_allclose(block.weight, z["W"], atol=1e-6)


def test_crosssim_case_of_ties_lies_between_rounding_down_and_up():
    """With few levels one sum in a hundred is exactly 0, midway between two mid-rise codes."""
    z = saved("crosssim_C_unsigned8_cell4bit_onoff10_adc8_perbit")
    low, levels = float(z["Gmin_norm"]), 16
    exact = mapping.Range(low, 1.0, levels)
    cells = np.stack([exact.programmed(z[k].astype(float)) for k in ("Gpos_norm", "Gneg_norm")], 1)
    np.testing.assert_allclose(cells[:, 0], z["Gpos_norm"], atol=1e-6)
    with jax.enable_x64(True):
        mv = crosssim_array(z, signed=False, at="plane", cells=cells)
        x = jnp.asarray(z["X"].T, float)
        down, up = between_ties(mv, x, 1e-9)
    assert ((z["Y"] >= down - 1e-5) & (z["Y"] <= up + 1e-5)).all()
    assert (np.abs(up - down) > 1e-3).mean() > 0.01


def aihwkit_tile(weights, limit=1.0):
    """7-bit sign-and-magnitude codes (±127 steps of 1/127) and ±12 in 8 bits."""
    low = np.abs(weights).max()
    block = mapping.on_pairs(weights.astype(float), mapping.Range(0.0, float(low)))
    return Crossbar(
        cells=jnp.asarray(block.cells),
        cell_std=None,
        gain=jnp.asarray(block.gain),
        limit=jnp.asarray(limit),
        adc_limit=jnp.asarray(12.0),
        bits=8,
        adc_bits=8,
    )


def test_aihwkit_fixed_range():
    z = saved("aihwkit_A_adc8_dac8_torchtile")
    with jax.enable_x64(True):
        y = aihwkit_tile(z["W"])(jnp.asarray(z["X"], float))
    assert np.abs(np.asarray(y) - z["Y"]).max() <= 1e-5


def test_aihwkit_tiles_with_a_scale_of_their_own():
    """Absolute-maximum noise management is what a tangent read does: every vector on its scale."""
    z = saved("aihwkit_D_tile128")
    with jax.enable_x64(True):
        rows = [
            Tiled(
                tiles=tuple(aihwkit_tile(z["W"][r : r + 128, c : c + 128]) for c in (0, 128)),
                starts=(0, 128, 256),
            )
            for r in (0, 128)
        ]
        y = jnp.concatenate([row.tangent(jnp.asarray(z["X"], float)) for row in rows], -1)
    assert np.abs(np.asarray(y) - z["Y"]).max() <= 1e-5
