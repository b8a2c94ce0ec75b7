"""The converters at the array's edge, for whatever numbers come."""

import hypothesis.extra.numpy as npst
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgnn.crossbar import converter
from rgnn.crossbar.pulses import Pulses

values = npst.arrays(np.float32, (16,), elements=st.floats(-2, 2, width=32))
quick = settings(deadline=None, max_examples=50)


@pytest.fixture(scope="module")
def encode():
    return jax.jit(lambda u: converter.encode(u, bits=8))


@given(u=values)
@quick
def test_codes_are_the_nearest_integers_and_saturate(encode, u):
    code = np.asarray(encode(u))
    assert (code == np.round(code)).all() and np.abs(code).max() <= 127
    inside = np.abs(u) <= 1
    assert np.abs(code[inside] - u[inside] * 127).max(initial=0) <= 0.5 + 1e-4
    assert (code[u > 1] == 127).all() and (code[u < -1] == -127).all()


@given(u=values)
@quick
def test_encoding_is_odd_and_idempotent(encode, u):
    code = np.asarray(encode(u))
    np.testing.assert_array_equal(np.asarray(encode(-u)), -code)
    np.testing.assert_array_equal(np.asarray(encode(code / np.float32(127))), code)


@given(u=values)
@quick
def test_encoding_never_decreases(encode, u):
    assert (np.diff(np.asarray(encode(np.sort(u)))) >= 0).all()


@given(u=values, mates=values)
@quick
def test_an_entry_does_not_depend_on_its_neighbours(encode, u, mates):
    mixed = np.where(np.arange(16) % 2, mates, u)
    own = np.arange(16) % 2 == 0
    np.testing.assert_array_equal(np.asarray(encode(mixed))[own], np.asarray(encode(u))[own])


@given(y=values)
@quick
def test_the_output_converter_is_off_by_half_a_step_at_most_and_has_a_zero(y):
    limit, bits = 1.5, 6
    step = limit / 31
    read = np.asarray(converter.digitise(jnp.asarray(y), limit=limit, bits=bits))
    inside = np.abs(y) < limit
    assert np.abs(read - y)[inside].max(initial=0) <= step / 2 + 1e-6
    assert (read[np.abs(y) < step * 0.499] == 0).all()
    assert np.abs(read).max() <= limit


@given(u=values)
@quick
def test_planes_rebuild_the_power_of_independent_reads(u):
    """The factor 4ᵇ v_b² is rebuilt from the binary digits of the code, written out as text."""
    code = np.clip(np.rint(u * 127), -127, 127)
    power = Pulses(bits=8).at_once(jnp.asarray(code), neighbours=False).power.code
    digits = [f"{int(abs(c)):07b}"[::-1] for c in code]
    expected = [sum(4**b for b, digit in enumerate(d) if digit == "1") for d in digits]
    np.testing.assert_array_equal(power, expected)


def test_gradients_pass_straight_through_the_stairs_and_stop_outside():
    slope = jax.grad(lambda u: converter.encode(u, bits=8).sum())(jnp.array([0.3, -0.7, 1.4]))
    np.testing.assert_allclose(slope, [127, 127, 0])
