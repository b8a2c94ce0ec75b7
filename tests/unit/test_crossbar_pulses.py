"""What lines carry: digits, bent voltages, and products that lose nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar import build
from rgnn.crossbar.product import exact_sum
from rgnn.crossbar.pulses import Pulses
from rgnn.device.chip import Chip

KEY = jax.random.key(0)
CODE = jnp.asarray(np.random.default_rng(0).integers(-127, 128, (9, 5)), jnp.float32)


def array(wiring="pairs", noise=0.0, **settings):
    chip = Chip.sample(seed=3, wiring=wiring).with_noise(noise)
    block = build.cut(chip, [(6, 30)])[0]
    periphery = build.Periphery(**{"adc_bits": None, **settings})
    return build.mount(block, periphery, limit=1.0, dtype="float32")


def inputs(n=16):
    return jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (n, 30)), jnp.float32)


@pytest.mark.parametrize("slice_bits", [1, 2, 3, 7])
@pytest.mark.parametrize("curvature", [0.0, 1.5])
def test_pulses_add_up_to_what_is_sent_at_once(slice_bits, curvature):
    pulses = Pulses(8, slice_bits, curvature=curvature)
    train = [pulses.one(CODE, place, neighbours=False) for place in pulses.places]
    at_once = pulses.at_once(CODE, neighbours=False)
    total = sum(s * one.drive / one.full for s, one in zip(pulses.shares, train, strict=True))
    np.testing.assert_allclose(total, at_once.drive / at_once.full, rtol=1e-5, atol=1e-7)
    assert all(np.abs(one.drive).max() <= one.peak for one in train)
    assert np.abs(at_once.drive).max() <= at_once.peak
    power = sum(
        s**2 * one.power.code * one.power.unit / one.full**2
        for s, one in zip(pulses.shares, train, strict=True)
    )
    expected = at_once.power.code * at_once.power.unit / at_once.full**2
    np.testing.assert_allclose(power, expected, rtol=1e-4, atol=1e-5)  # 2⁻²⁰ of the peak


def test_a_bent_pulse_is_a_hyperbolic_sine():
    sent = Pulses(8, 7, curvature=2.0).at_once(CODE, neighbours=False)
    bent = np.sinh(2.0 * np.asarray(CODE) / 127) / np.sinh(2.0)
    np.testing.assert_allclose(sent.drive / sent.full, bent, atol=0.5 / 1023 + 1e-6)


def test_pulses_of_one_bit_do_not_show_the_curve():
    """They are the read voltage or none: the curve is a factor that the conductance contains."""
    x = inputs()
    np.testing.assert_array_equal(array(curvature=3.0)(x), array()(x))


def test_reads_of_bent_cells_and_the_law_of_their_tangents():
    x = inputs()
    mv = array(curvature=1.0, slice_bits=7)
    code = np.rint(np.asarray(x) * 127) / 127
    expected = (np.sinh(code) / np.sinh(1.0)) @ np.asarray(mv.weight).T
    np.testing.assert_allclose(mv(x), expected, atol=2e-2)
    law = mv.tangent_law(x)
    np.testing.assert_allclose(law.drive @ mv.weight.T, mv.tangent(x), atol=1e-4)
    slope = jax.jacobian(mv)(x[0])
    np.testing.assert_allclose(slope, mv.weight, atol=2e-3)


def test_shared_cells_have_no_curve_for_pulses_of_many_bits():
    with pytest.raises(InputError, match="differences of two inputs"):
        array("shared", curvature=1.0, slice_bits=2)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_many_bits_and_many_rows_lose_nothing_in_single_precision(bits):
    rng = np.random.default_rng(0)
    top = 2 ** (bits - 1) - 1
    code, matrix = rng.integers(-top, top + 1, (40, 300)), rng.normal(size=(8, 300))
    exact = code @ matrix.T
    for precision, tolerance in {"full": 3e-5, "half": 2e-3}.items():
        product = exact_sum(
            jnp.asarray(code, jnp.float32),
            jnp.asarray(matrix, jnp.float32),
            peak=top,
            precision=precision,
        )
        assert np.std(product - exact) < tolerance * np.std(exact)


def test_half_precision_keeps_eight_bits_of_every_cell_and_the_slope_of_all():
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(6, 20)), jnp.float32)
    read = jax.jit(lambda code: exact_sum(code, matrix, peak=1, precision="half"))
    entries = np.asarray(read(jnp.eye(20))).T
    np.testing.assert_allclose(entries, matrix, rtol=2**-8, atol=2**-14)
    np.testing.assert_allclose(jax.jacobian(read)(jnp.eye(20)[0]), matrix, rtol=1e-6)


@pytest.mark.parametrize("at", ["end", "plane"])
def test_half_precision_is_close_and_never_sees_a_batch(at):
    x = inputs(65)
    settings = {"noise": 0.05, "adc_at": at, "adc_bits": 8}
    half = array(**settings, arithmetic="half")
    read = jax.jit(lambda x: half(x, key=KEY))
    whole, exact = read(x), array(**settings)(x, key=KEY)
    for n in (1, 64):
        np.testing.assert_array_equal(read(x[:n]), whole[:n])
    assert 0 < np.std(whole - exact) < 0.03 * np.std(exact)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"curvature": -1.0}, "between 0 and 20, got -1"),
        ({"curvature": float("nan")}, "between 0 and 20, got nan"),
    ],
)
def test_absurd_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        build.Periphery(**settings)
