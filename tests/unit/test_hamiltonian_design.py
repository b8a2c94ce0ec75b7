"""What a model makes of distances at which no training bond was found."""

import numpy as np
import pytest

from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.tasks.hamiltonian.bonds import reach_of
from rgnn.tasks.hamiltonian.config import BondConfig
from rgnn.tasks.hamiltonian.design import Reach, bond_rows
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.readout import Sums, solve

CHANNEL = Channel(0, 1)
REACH = Reach(1.3, 6.0)


def rows(distance):
    features = {CHANNEL: np.zeros((len(distance), 1), complex)}
    return bond_rows(features, distance, REACH, CHANNEL, BondConfig())


def integral(distance):
    return -8.0 * np.exp(-distance)


def test_a_curve_bridges_the_gap_between_first_and_second_neighbours():
    seen = np.concatenate([np.linspace(1.3, 1.57, 60), np.linspace(2.2, 5.9, 400)])
    sums = Sums(rows(seen).shape[1], 1, 4)
    for fold in range(4):
        sums.add(fold, rows(seen[fold::4]), integral(seen[fold::4])[:, None])
    ridge = solve(sums, (1e-3, 1e-4, 1e-5, 1e-6))
    gap = np.linspace(1.6, 2.15, 12)
    error = (rows(gap) @ ridge.weights)[:, 0] - integral(gap)
    assert np.abs(error).max() < 0.1 * np.abs(integral(gap)).max()
    assert np.all(rows(np.array([6.0, 7.0])) @ ridge.weights == 0)


@pytest.mark.parametrize(("overlap", "reach"), [(0.03, 5.5), (1e-5, 4.004)])
def test_blocks_that_still_overlap_get_room_to_fade_however_deep_a_core_lies(overlap, reach):
    atoms = np.array([0, 1, 0, 1])
    frame = HamiltonianFrame(
        Structure(np.array([[0.0, 0, 0], [0, 0, 4.0]]), np.array([1, 1])),
        {1: (0,)},
        "standard",
        atoms,
        np.array([0, 1, 1, 0]),
        np.zeros((4, 3), int),
        np.array([-500.0, -500.0, -0.5, -0.5])[None, :, None, None],
        np.array([1.0, 1.0, overlap, overlap])[:, None, None],
    )
    assert reach_of([frame])[1, 1] == pytest.approx(reach)
