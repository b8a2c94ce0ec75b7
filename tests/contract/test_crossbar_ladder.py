"""What every rung of the ladder promises, whatever stands behind it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar import build, calibrate
from rgnn.crossbar.matvec import Exact, Quantised
from rgnn.device import transform
from rgnn.device.chip import Chip

N_OUT, N_IN = 20, 30
KEY = jax.random.key(0)
LIMIT = 3.0


def rung(name, *, wiring="pairs", noise=0.0, rows=512, dtype="float32", **settings):
    chip = Chip.sample(seed=3, wiring=wiring).with_noise(noise)
    block = build.cut(transform.rearranged(chip, rows=rows, columns=512), [(N_OUT, N_IN)])[0]
    periphery = build.Periphery(name, **{"adc_bits": None, **settings})
    return build.mount(block, periphery, limit=LIMIT, dtype=dtype)


CASES = {
    "exact": lambda: rung("exact"),
    "quantised": lambda: rung("quantised"),
    "pairs": lambda: rung("crossbar"),
    "shared": lambda: rung("crossbar", wiring="shared"),
    "noisy": lambda: rung("crossbar", noise=0.05),
    "noisy, shared, ADC": lambda: rung("crossbar", wiring="shared", noise=0.05, adc_bits=10),
    "ADC per plane": lambda: rung("crossbar", noise=0.05, adc_bits=10, adc_at="plane"),
    "pulses of 2 bits": lambda: rung("crossbar", noise=0.05, slice_bits=2),
    "tiles of 16 rows": lambda: rung("crossbar", noise=0.05, rows=16, adc_bits=12),
}


@pytest.fixture(scope="module", params=CASES)
def mv(request):
    return CASES[request.param]()


def batch(n=64):
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, N_IN)), jnp.float32)


def test_reads_approximate_the_product_with_weight(mv):
    x = jnp.clip(batch(), -LIMIT, LIMIT)
    exact = np.asarray(x @ mv.weight.T)
    error = np.asarray(mv(x, key=KEY)) - exact
    assert np.sqrt((error**2).mean()) < 0.2 * exact.std()


def test_repeating_a_read_averages_out_rounding_and_noise(mv):
    """16 reads: noise falls four times, rounding of inputs sixteen times."""
    x = jnp.clip(batch(), -LIMIT, LIMIT)
    exact = np.asarray(Exact(mv.weight)(x))
    single = np.square(np.asarray(mv(x, key=KEY)) - exact).mean()
    repeated = np.square(np.asarray(mv.repeated(x, 16, key=KEY)) - exact).mean()
    assert repeated <= single / 6


def test_repeated_reads_follow_their_law():
    """An activation whose largest entry is the range is a tangent on its own scale."""
    mv, reads, draws = rung("crossbar", noise=0.05, adc_bits=None), 3, 4000
    x = batch(1) * LIMIT / np.abs(batch(1)).max()
    law = mv.tangent_law(x, reads)
    mean, variance = (
        np.asarray(m)[0] for m in (law.drive @ mv.weight.T, law.power @ mv.read_variance.T)
    )
    keys = jax.random.split(KEY, draws)
    drawn = np.asarray(jax.vmap(lambda k: mv.repeated(x, reads, key=k)[0])(keys))
    assert np.abs((drawn.mean(axis=0) - mean) / np.sqrt(variance / draws)).max() < 4.5
    assert np.abs(np.log(drawn.var(axis=0) / variance)).max() < 4.5 * np.sqrt(2 / draws)


def test_n_dithered_roundings_are_one_to_an_nth_of_a_code():
    mv, x = rung("quantised", dtype="float32"), jnp.clip(batch(), -LIMIT, LIMIT)
    codes = np.round(np.asarray(x) / LIMIT * 127 * 8) / 8
    expected = codes @ np.asarray(mv.weight).T * (LIMIT / 127)
    np.testing.assert_allclose(mv.repeated(x, 8), expected, rtol=1e-4, atol=1e-4)
    assert not mv.repeated(jnp.zeros((2, N_IN)), 8).any()


def test_same_key_same_read_other_key_other_noise(mv):
    x = batch()
    first, again, other = (mv(x, key=jax.random.key(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    fluctuates = not isinstance(mv, Exact | Quantised) and mv.read_variance[:, :-1].any()
    assert bool((first == other).all()) == (not fluctuates)


def test_a_tangent_read_scales_with_its_vector(mv):
    dx = batch(8)
    small = mv.tangent(dx * 2.0**-12, key=KEY)
    np.testing.assert_array_equal(small, mv.tangent(dx, key=KEY) * 2.0**-12)


def test_a_zero_tangent_reads_zero(mv):
    assert not mv.tangent(jnp.zeros((2, N_IN)), key=KEY).any()


def test_the_law_of_a_tangent_has_its_mean(mv):
    dx = batch(4)
    law = mv.tangent_law(dx)
    mean = np.asarray(law.drive @ mv.weight.T)
    spread = np.sqrt(np.asarray(law.power @ mv.read_variance.T))
    deviation = np.abs(np.asarray(mv.tangent(dx, key=KEY)) - mean)
    assert (deviation <= 6 * spread + 1e-4).all()


def test_part_of_the_inputs_is_the_product_with_part_of_the_matrix(mv):
    part = mv.driven(5, 12)
    np.testing.assert_allclose(part.weight, mv.weight[:, 5:12], rtol=1e-6)


def test_gradients_are_finite_and_close_to_the_matrix(mv):
    x = batch(1)[0]
    slope = np.asarray(jax.jacobian(lambda v: mv(v, key=KEY))(x))
    np.testing.assert_allclose(slope, np.asarray(mv.weight), atol=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "wiring", "noise"),
    [("quantised", "pairs", 0.0), ("crossbar", "pairs", 0.0), ("crossbar", "shared", 0.05)],
)
def test_a_rounded_read_never_depends_on_its_batch_mates(name, wiring, noise, dtype):
    """Exactly, to the last bit, without an output converter that could hide a difference."""
    with jax.enable_x64(dtype == "float64"):
        mv = rung(name, wiring=wiring, noise=noise, dtype=dtype)
        x = jnp.asarray(np.random.default_rng(1).normal(size=(257, N_IN)), dtype)
        for read in (lambda v: mv(v, key=KEY), lambda v: mv.repeated(v, 4, key=KEY)):
            read = jax.jit(read)
            whole = read(x)
            for n in (1, 2, 64):
                np.testing.assert_array_equal(read(x[:n]), whole[:n])


def test_the_first_reads_of_a_batch_do_not_see_padding():
    mv = CASES["noisy, shared, ADC"]()
    x = batch(5)
    padded = jnp.concatenate([x, 1e3 * jnp.ones((11, N_IN))])
    np.testing.assert_array_equal(mv(padded, key=KEY)[:5], mv(x, key=KEY))


def test_a_noisy_read_needs_a_key_and_says_so():
    with pytest.raises(ValueError, match=r"jax\.random\.key"):
        CASES["noisy"]()(batch(1))


def test_a_transposed_read_is_the_product_with_the_transposed_matrix():
    mv = CASES["noisy"]()
    back = mv.transposed()
    np.testing.assert_allclose(back.weight, mv.weight.T)
    np.testing.assert_allclose(back.read_variance[:, :-1], mv.read_variance[:, :-1].T)
    with pytest.raises(InputError, match="cannot be read transposed"):
        CASES["shared"]().transposed()


@pytest.mark.parametrize("rule", ["max", "percentile", "mse"])
@pytest.mark.parametrize("at", ["end", "plane"])
def test_a_calibrated_range_clips_little_and_rounds_less(rule, at):
    wide = rung("crossbar", adc_bits=6, adc_at=at)
    x = batch(256)
    fitted = calibrate.with_range(wide, x, rule=rule, per_column=True)
    exact = np.asarray(jnp.clip(x, -LIMIT, LIMIT) @ wide.weight.T)
    errors = [np.sqrt(((np.asarray(mv(x)) - exact) ** 2).mean()) for mv in (wide, fitted)]
    assert fitted.adc_limit.shape == (N_OUT,) and errors[1] < errors[0]
    with pytest.raises(InputError, match="a range of 0 reads nothing"):
        calibrate.with_range(wide, jnp.zeros((4, N_IN)))


def test_gain_and_offset_errors_belong_to_the_columns():
    clean = rung("crossbar", adc_bits=14)
    off = rung("crossbar", adc_bits=14, adc_gain_error=0.02, adc_offset_error=0.01)
    again = rung("crossbar", adc_bits=14, adc_gain_error=0.02, adc_offset_error=0.01)
    x = batch(8)
    np.testing.assert_array_equal(off(x), again(x))
    offset = np.asarray(off(jnp.zeros((1, N_IN)))[0])
    gain = (np.asarray(off(x)) - offset) / np.asarray(clean(x)) - 1
    assert 0.3 < np.median(np.abs(gain), axis=0).std() / 0.02 < 2 and offset.std() > 0


def test_chips_of_one_shape_are_read_together_with_vmap():
    chips = [Chip.sample(seed=s).with_noise(0.02) for s in range(3)]
    arrays = [
        build.mount(build.cut(c, [(4, 6)])[0], build.Periphery(), limit=2.0, dtype="float32")
        for c in chips
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays)
    x, key = jnp.ones((5, 6)), jax.random.key(1)
    together = jax.vmap(lambda mv: mv(x, key=key))(stacked)
    for single, read in zip(arrays, together, strict=True):
        np.testing.assert_allclose(single(x, key=key), read, atol=1e-6)
