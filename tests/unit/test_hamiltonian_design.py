"""What a model makes of distances at which no training bond was found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rgnn.datasets
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame, read_npz
from rgnn.tasks.hamiltonian.bonds import reach_of
from rgnn.tasks.hamiltonian.config import BondConfig, HamiltonianConfig, ReadoutConfig
from rgnn.tasks.hamiltonian.design import (
    Reach,
    atom_rows,
    atom_strengths,
    bond_rows,
    bond_strengths,
)
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.network import Layout
from rgnn.tasks.hamiltonian.presets import MOLECULES, suited_to
from rgnn.tasks.hamiltonian.readout import Sums, solve

SHEET = Path(rgnn.datasets.__file__).parent / "graphene-openmx/train/g33_00.npz"
TWO_SPINS = 185_694
"""Trained numbers of a model of spin-polarised graphene, as it counts them itself."""

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
    ridge = solve(sums, (1e-3, 1e-4, 1e-5, 1e-6), np.ones(rows(seen).shape[1]))
    gap = np.linspace(1.6, 2.15, 12)
    error = (rows(gap) @ ridge.weights)[:, 0] - integral(gap)
    assert np.abs(error).max() < 0.1 * np.abs(integral(gap)).max()
    assert np.all(rows(np.array([6.0, 7.0])) @ ridge.weights == 0)


def test_the_level_of_a_core_does_not_limit_how_strong_the_ridge_may_be():
    """A level of −500 eV that varies by meV: a ridge on its mean would have to be weak."""
    features = np.random.default_rng(0).normal(size=(40, 60, 1))
    targets = -500.0 + 1e-3 * features[:, :2].sum(axis=1)
    rows = atom_rows(features, 0)
    errors = {}
    for two_centre in (1.0, 1e-6):
        sums = Sums(rows.shape[1], 1, 4)
        for fold in range(4):
            sums.add(fold, rows[fold::4], targets[fold::4])
        strengths = np.append(np.ones(60), two_centre)
        errors[two_centre] = solve(sums, (1e-1, 1e-2), strengths).rmse
    assert errors[1e-6] < 2e-3 < 1.0 < errors[1.0]


@pytest.mark.parametrize("channel", [Channel(0, 1), Channel(0, -1), Channel(2, 1), Channel(1, 0)])
def test_every_column_of_a_bond_has_its_strength(channel):
    layout, config = Layout((1, 8), 2), HamiltonianConfig()
    shapes, readout = layout.shapes(config), ReadoutConfig(two_centre=0.5, products=7.0)
    widths = {}
    for swap in (1, -1):
        name = f"{channel.m}{'+' if swap > 0 else '-'}"
        widths[swap] = [shapes[f"bond.{kind}.{name}"][0] for kind in ("linear", "mixed")]
    features = {
        Channel(channel.m, swap): np.repeat([1.0 + 0j, 7.0 + 0j], sizes)[None]
        for swap, sizes in widths.items()
    }
    rows = bond_rows(features, np.array([2.0]), REACH, channel, config.bond)
    strengths = bond_strengths(shapes, channel, config.bond, readout)
    assert strengths.shape == rows.shape[1:]
    start = config.bond.two_centre_knots if channel.m == 0 and channel.swap >= 0 else 0
    assert np.all(strengths[:start] == 0.5)
    first = np.real(features[Channel(channel.m, channel.swap or 1)])[0]
    np.testing.assert_array_equal(strengths[start : start + len(first)], first)


def test_every_column_of_an_atom_has_its_strength():
    shapes = Layout((1,), 1).shapes(HamiltonianConfig())
    width = [shapes[f"atom.{kind}.0"][0] for kind in ("linear", "mixed")]
    found = atom_strengths(shapes, 0, ReadoutConfig(two_centre=0.5, products=7.0))
    np.testing.assert_array_equal(found, np.repeat([1.0, 7.0, 0.5], [*width, 1]))


def test_settings_suit_the_frames():
    sheet = read_npz(SHEET)
    flake = replace(sheet, structure=replace(sheet.structure, pbc=np.zeros(3, bool)))
    assert suited_to([sheet]) == suited_to([sheet, flake]) == HamiltonianConfig()
    assert suited_to([flake]).readout == MOLECULES.readout


def test_two_spins_get_a_network_wide_enough_for_their_weights():
    sheet = read_npz(SHEET)
    config = suited_to([replace(sheet, hamiltonian=np.repeat(sheet.hamiltonian, 2, axis=0))])
    shapes = Layout((6,), 2).shapes(config)
    frozen = sum(n_out * n_in for n_out, n_in in shapes.values())
    assert TWO_SPINS / (TWO_SPINS + frozen) < 0.1
    products = replace(config.bond, products=192), replace(config.atom, products=64)
    assert replace(config, bond=products[0], atom=products[1]) == HamiltonianConfig()


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
