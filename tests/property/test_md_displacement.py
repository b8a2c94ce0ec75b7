"""Fast formulas against slow definitions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rgnn.md.observables import drift, mean_square_displacement

coordinates = st.floats(-50, 50, width=32)


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, (13, 2, 3), elements=coordinates))
def test_displacement_equals_the_double_loop(positions):
    n = len(positions)
    slow = [
        np.mean([np.sum((positions[s + lag] - positions[s]) ** 2) / 2 for s in range(n - lag)])
        for lag in range(n)
    ]
    assert np.allclose(mean_square_displacement(positions), slow, rtol=1e-9, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, 20, elements=st.floats(-1, 1)), st.floats(-10, 10), st.floats(-1e3, 1e3))
def test_a_slope_added_to_the_energy_is_added_to_the_drift(energy, slope, offset):
    time = np.linspace(3.0, 4.0, 20)
    plain = drift(time, energy, 5).meV_per_atom_per_ps
    tilted = drift(time, energy + slope * time + offset, 5).meV_per_atom_per_ps
    assert np.isclose(tilted, plain + 1000 * slope / 5, rtol=1e-8, atol=1e-6)
