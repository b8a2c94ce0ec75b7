"""Real files of many origins are read, and the packaged sets equal what they were made from."""

from pathlib import Path

import ase.io
import numpy as np
import pytest

import rgnn.datasets
from rgnn.io.structures import read_frames
from rgnn.io.summary import describe

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not there")


@pytest.mark.parametrize(
    ("name", "n_frame", "labels"),
    [
        ("acac/train_300K.extxyz", 500, "500 energies, 500 forces, 0 stress"),
        ("acac/isolated_atoms.extxyz", 3, "3 energies, 3 forces, 0 stress"),
        ("chgnet_magmom/relax.extxyz", 1, "1 energies, 1 forces, 1 stress"),
        ("hfo2_small/HfO2_mp352.extxyz", 76, "76 energies, 76 forces, 76 stress"),
        ("mlearn/Mo_training.extxyz", 194, "194 energies, 194 forces, 0 stress"),
        ("monbtaw/train_sub.extxyz", 610, "610 energies, 610 forces, 0 stress"),
        ("lips20/valid.extxyz", 140, "140 energies, 140 forces, 140 stress"),
    ],
)
def test_files_of_many_origins(name, n_frame, labels):
    summary = describe(read_frames(DATA / name))
    assert summary.n_frame == n_frame
    assert dict(summary.rows())["labels"] == labels


def test_agreement_with_ase():
    path = DATA / "hfo2_small" / "HfO2_mp352.extxyz"
    for frame, atoms in zip(read_frames(path), ase.io.iread(path), strict=True):
        np.testing.assert_array_equal(frame.structure.positions, atoms.positions)
        np.testing.assert_array_equal(frame.labels.forces, atoms.get_forces())
        np.testing.assert_allclose(frame.labels.stress, atoms.get_stress(voigt=False))
        assert frame.labels.energy == atoms.get_potential_energy()


@pytest.mark.parametrize("name", ["li3po4-xtb", "li3po4-dft"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_packaged_sets_equal_their_origin(name, split):
    originals = read_frames(DATA / name.replace("-", "_") / f"{split}.extxyz")
    for frame, original in zip(rgnn.datasets.load(name, split), originals, strict=True):
        np.testing.assert_array_equal(frame.structure.positions, original.structure.positions)
        np.testing.assert_array_equal(frame.structure.cell, original.structure.cell)
        np.testing.assert_array_equal(frame.labels.forces, original.labels.forces)
        np.testing.assert_array_equal(frame.labels.stress, original.labels.stress)
        assert frame.labels.energy == original.labels.energy
        assert frame.info == original.info
