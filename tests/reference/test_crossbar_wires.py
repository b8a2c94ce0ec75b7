"""Currents of arrays with resistive wires, against other solvers."""

from pathlib import Path

import hypothesis.extra.numpy as npst
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from rgnn.core.errors import InputError
from rgnn.crossbar import effective_matrix, gate_driven_currents, traced_effective_matrix

PARITY = Path(__file__).parents[2] / "../shared/parity/crossbar"


@pytest.mark.parametrize(
    "case", ["1x6_r2", "6x1_r2", "5x12_r1", "8x8_r0p5", "8x8_r5", "8x8_wl0_bl2", "128x128_r1"]
)
def test_badcrossbar(case):
    path = PARITY / f"badcrossbar_{case}.npz"
    if not path.exists():
        pytest.skip("currents computed by badcrossbar are not part of the repository")
    z = np.load(path)
    A = effective_matrix(z["G"], r_word=float(z["r_wl"]), r_bit=float(z["r_bl"]))
    assert np.abs((A @ z["V"]).T / z["I_out"] - 1).max() <= 1e-10


def kirchhoff(G, r_word, r_bit, rows_below=0):
    """The same network as a sparse set of resistors, solved by LU node by node."""
    m, n = G.shape
    word, bit = np.arange(m * n).reshape(m, n), m * n + np.arange(m * n).reshape(m, n)
    matrix = scipy.sparse.lil_matrix((2 * m * n, 2 * m * n))
    drive = np.zeros((2 * m * n, m))

    def resistor(a, b, conductance):
        matrix[a, a] += conductance
        matrix[b, b] += conductance
        matrix[a, b] -= conductance
        matrix[b, a] -= conductance

    exit = 1 / (r_bit * (1 + rows_below))
    for r in range(m):
        matrix[word[r, 0], word[r, 0]] += 1 / r_word
        drive[word[r, 0], r] += 1 / r_word
        for c in range(n):
            resistor(word[r, c], bit[r, c], G[r, c])
            if c + 1 < n:
                resistor(word[r, c], word[r, c + 1], 1 / r_word)
            if r + 1 < m:
                resistor(bit[r, c], bit[r + 1, c], 1 / r_bit)
    for c in range(n):
        matrix[bit[-1, c], bit[-1, c]] += exit
    voltage = scipy.sparse.linalg.splu(matrix.tocsc()).solve(drive)
    return exit * voltage[bit[-1]]


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 3), (3, 1)])
@pytest.mark.parametrize("rows_below", [0, 6])
def test_sparse_solution_of_the_same_network(shape, rows_below):
    G = np.random.default_rng(0).gamma(1.0, 2e-4, shape)
    G.flat[1] = 0
    A = effective_matrix(G, r_word=3.0, r_bit=1.7, rows_below=rows_below)
    np.testing.assert_allclose(A, kirchhoff(G, 3.0, 1.7, rows_below), rtol=1e-10, atol=1e-22)


@pytest.mark.parametrize(("r_word", "r_bit"), [(0.0, 2.0), (2.0, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("shape", [(4, 7), (7, 4)])
def test_an_ideal_wire_is_the_limit_of_a_good_one(shape, r_word, r_bit):
    G = np.random.default_rng(1).gamma(1.0, 2e-4, shape)
    ideal = effective_matrix(G, r_word=r_word, r_bit=r_bit)
    good = effective_matrix(G, r_word=r_word or 1e-7, r_bit=r_bit or 1e-7)
    np.testing.assert_allclose(ideal, good, rtol=1e-6)


@given(G=npst.arrays(np.float64, (4, 5), elements=st.floats(0, 1e-3)))
@settings(deadline=None, max_examples=50)
def test_wires_only_lose_current_and_never_reverse_it(G):
    A = effective_matrix(G, r_word=5.0, r_bit=5.0)
    assert (A >= -1e-18).all()
    assert (A.sum(axis=0) <= G.sum(axis=1) + 1e-15).all()


@given(G=npst.arrays(np.float64, (4, 5), elements=st.floats(0, 1e-3)))
@settings(deadline=None, max_examples=20)
def test_reciprocity_driving_the_outputs_reads_the_inputs(G):
    forward = effective_matrix(G, r_word=2.0, r_bit=7.0)
    backward = effective_matrix(G.T[::-1, ::-1], r_word=7.0, r_bit=2.0)
    np.testing.assert_allclose(forward, backward[::-1, ::-1].T, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_the_traced_solution_is_the_same_and_has_the_slopes_of_finite_differences(shape):
    G = np.random.default_rng(0).gamma(1.0, 2e-4, shape)
    G.flat[1] = 0
    wires = (3.0, 1.7)
    probe = np.random.default_rng(1).normal(size=shape[::-1])

    def response(cells, r_word, r_bit):
        return (probe * traced_effective_matrix(cells, r_word, r_bit, rows_below=3)).sum()

    with jax.enable_x64(True):
        args = (jnp.asarray(G), *map(jnp.asarray, wires))
        value, slopes = jax.jit(jax.value_and_grad(response, argnums=(0, 1, 2)))(*args)
        both = jax.vmap(lambda g: traced_effective_matrix(g, *wires))(jnp.stack([args[0]] * 2))
    plain = effective_matrix(G, *wires, rows_below=3)
    assert abs(float(value) / (probe * plain).sum() - 1) < 1e-10
    np.testing.assert_allclose(both[1], effective_matrix(G, *wires), rtol=1e-10, atol=1e-20)

    def moved(cells, r_word, r_bit):
        return (probe * effective_matrix(cells, r_word, r_bit, rows_below=3)).sum()

    bump = np.zeros(shape)
    bump[2, 3] = 1e-9
    steps = [(bump, 0, 0, 1e-9), (0, 1e-3, 0, 1e-3), (0, 0, 1e-3, 1e-3)]
    for (cell, word, bit, h), slope in zip(steps, (slopes[0][2, 3], *slopes[1:]), strict=True):
        ends = [moved(G + s * cell, wires[0] + s * word, wires[1] + s * bit) for s in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(float(slope), rel=1e-5)


def test_single_precision_traces_to_four_digits_and_ideal_wires_are_refused():
    G = np.random.default_rng(0).gamma(1.0, 2e-5, (16, 16))
    traced = traced_effective_matrix(jnp.asarray(G, jnp.float32), 1.0, 1.0)
    np.testing.assert_allclose(traced, effective_matrix(G, 1.0, 1.0), rtol=1e-4)
    with pytest.raises(InputError, match=r"r_bit must be a resistance > 0 Ω here, got 0\.0"):
        traced_effective_matrix(jnp.asarray(G), 1.0, 0.0)


def gated(G, gates, r_bit, r_source):
    """One column of cells between a bit line and a source line, both contacted at the bottom."""
    m = len(G)
    matrix, drive = np.zeros((2 * m, 2 * m)), np.zeros(2 * m)
    branches = [(k, m + k, G[k] * gates[k]) for k in range(m)]
    branches += [(k, k + 1, 1 / r_bit) for k in range(m - 1)]
    branches += [(m + k, m + k + 1, 1 / r_source) for k in range(m - 1)]
    for a, b, g in branches:
        matrix[[a, b], [a, b]] += g
        matrix[a, b] -= g
        matrix[b, a] -= g
    matrix[m - 1, m - 1] += 1 / r_bit
    drive[m - 1] = 1 / r_bit
    matrix[-1, -1] += 1 / r_source
    return np.linalg.solve(matrix, drive)[-1] / r_source


def test_gate_driven_columns():
    rng = np.random.default_rng(0)
    G, gates = rng.gamma(1.0, 2e-3, (6, 2)), rng.integers(0, 2, (3, 6)).astype(float)
    with jax.enable_x64(True):
        currents = gate_driven_currents(jnp.asarray(G), jnp.asarray(gates), r_bit=4.0, r_source=9.0)
    expected = [[gated(G[:, c], gate, 4.0, 9.0) for c in range(2)] for gate in gates]
    np.testing.assert_allclose(currents, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("cells", "wires", "message"),
    [
        (np.full((2, 2), np.nan), {}, "must be finite"),
        (-np.ones((2, 2)), {}, "must be finite conductances ≥ 0"),
        (np.ones(3), {}, r"shape \(3,\)"),
        (np.ones((2, 2)), {"r_word": -1.0}, "r_word must be a resistance ≥ 0"),
        (np.ones((2, 2)), {"r_bit": np.nan}, "r_bit must be a resistance ≥ 0"),
    ],
)
def test_networks_that_cannot_be_are_refused(cells, wires, message):
    with pytest.raises(InputError, match=message):
        effective_matrix(cells, **wires)
