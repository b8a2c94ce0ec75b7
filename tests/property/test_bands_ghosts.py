"""Ghost states: found without a reference, taken out without touching what is right."""

import numpy as np
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from rgnn.bands import kspace
from rgnn.bands.fermi import count_electrons, fermi_level
from rgnn.bands.ghosts import GhostFilter
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame

SIZE = 6
SMALL = 0.002
"""The one small eigenvalue of the overlaps below; its level lies at `HIGH`."""
HIGH = 40.0
CEILING = 5.0


def basis(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return S^½ with one small eigenvalue, and its eigenvector."""
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(SIZE, SIZE)))[0]
    values = np.array([SMALL, 0.5, 0.8, 1.0, 1.2, 1.5])
    return vectors * np.sqrt(values) @ vectors.T, vectors[:, 0]


def case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return H, S, the levels they have, and the direction of the small overlap."""
    root, direction = basis(seed)
    rng = np.random.default_rng(seed + 1)
    levels = np.sort(rng.uniform(-20, 10, SIZE - 1))
    rest = scipy.linalg.null_space(direction[None])
    rest = rest @ np.linalg.qr(rng.normal(size=(SIZE - 1, SIZE - 1)))[0]
    h = HIGH * np.outer(direction, direction) + rest * levels @ rest.T
    return root @ h @ root, root @ root, np.append(levels, HIGH), direction


seeds = st.integers(0, 10_000)


@given(seeds)
@settings(deadline=None, max_examples=30)
def test_true_levels_stay_as_they_are(seed):
    h, s, levels, _ = case(seed)
    for floor in (0.0, 0.01):
        np.testing.assert_allclose(GhostFilter(CEILING, floor).levels(h, s), levels, atol=1e-8)


@given(seeds, st.floats(0.15, 0.5))
@settings(deadline=None, max_examples=30)
def test_a_ghost_is_taken_out_and_nothing_else(seed, error):
    """0.15 eV along the small direction pulls its level down by 0.15 / 0.002 = 75 eV."""
    h, s, levels, direction = case(seed)
    wrong = h - error * np.outer(direction, direction)
    with_ghost = GhostFilter(CEILING, 0.0).levels(wrong, s)
    np.testing.assert_allclose(with_ghost[0], HIGH - error / SMALL, atol=1e-6)
    found = GhostFilter(CEILING).levels(wrong, s)
    np.testing.assert_allclose(found[:-1], levels[:-1], atol=1e-8)
    assert found[-1] == np.inf


@given(seeds, st.floats(0.005, 0.02))
@settings(deadline=None, max_examples=30)
def test_a_ghost_that_mixes_into_levels_is_found_as_well(seed, mixing):
    h, s, levels, direction = case(seed)
    other = np.roll(direction, 1)
    wrong = h - 0.2 * np.outer(direction, direction)
    wrong += mixing * (np.outer(other, direction) + np.outer(direction, other))
    found = GhostFilter(CEILING).levels(wrong, s)
    assert np.isinf(found).sum() == 1
    assert np.abs(found[:-1] - levels[:-1]).max() < 10 * mixing


@given(seeds)
@settings(deadline=None, max_examples=20)
def test_without_a_demand_on_the_occupation_it_is_the_plain_projection(seed):
    h, s, _, _ = case(seed)
    h = h + np.diag(np.arange(SIZE))
    values, vectors = np.linalg.eigh(s)
    kept = vectors[:, values > 0.6] / np.sqrt(values[values > 0.6])
    expected = np.linalg.eigvalsh(kept.T @ h @ kept)
    found = GhostFilter(CEILING, 0.6, occupation=0.0).levels(h, s)
    np.testing.assert_allclose(found, np.append(expected, [np.inf, np.inf]), atol=1e-8)


def test_bands_of_a_frame_are_filtered_and_still_hold_electrons():
    h, s, levels, direction = case(3)
    wrong = h - 0.2 * np.outer(direction, direction)
    frame = HamiltonianFrame(
        Structure(np.zeros((1, 3)), np.ones(1, int)),
        {1: (0,) * SIZE},
        "standard",
        np.zeros(1, int),
        np.zeros(1, int),
        np.zeros((1, 3), int),
        wrong[None, None],
        s[None],
    )
    found = kspace.all_spins(frame, np.zeros((1, 3)), ghosts=GhostFilter(CEILING))
    assert found.shape == (1, 1, SIZE)
    np.testing.assert_allclose(found[0, 0, :-1], levels[:-1], atol=1e-8)
    middle = fermi_level(found, 4.0)
    assert levels[1] < middle < levels[2]
    np.testing.assert_allclose(count_electrons(found, middle), 4.0, atol=1e-6)
