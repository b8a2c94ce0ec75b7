"""The table before the fit says what is in the data."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from rgnn.core.errors import InputError
from rgnn.io.structures import as_frames
from rgnn.io.summary import describe


def frames():
    molecule = Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.9]])
    molecule.calc = SinglePointCalculator(
        molecule, energy=-4.0, forces=[[0.0, 0.0, 3.0], [0.0, 4.0, 0.0]]
    )
    # Nearest neighbours of fcc copper: a / sqrt(2); only images are that near.
    metal = Atoms("Cu", cell=1.8 * (1 - np.eye(3)), pbc=True)
    metal.calc = SinglePointCalculator(
        metal, energy=-3.0, forces=np.zeros((1, 3)), stress=[-0.1, -0.2, -0.3, 0, 0, 0]
    )
    return as_frames([molecule, metal])


def test_numbers():
    summary = describe(frames())
    assert (summary.n_frame, summary.n_atom, summary.n_periodic) == (2, 3, 1)
    assert summary.species == {"H": 1, "F": 1, "Cu": 1} and summary.n_composition == 2
    assert summary.energy_per_atom.low == -3.0 and summary.energy_per_atom.high == -2.0
    assert summary.force_rms == pytest.approx((25 / 9) ** 0.5)
    assert summary.force_largest == 4.0 and summary.force_largest_at == "frame 0, atom 1"
    assert summary.net_force_largest == 4.0
    assert summary.n_stress == 1 and summary.pressure.mean == pytest.approx(32.0435, rel=1e-4)
    assert summary.volume_per_atom.mean == pytest.approx(2 * 1.8**3)
    assert summary.closest == pytest.approx({"H-F": 0.9, "Cu-Cu": 1.8 * 2**0.5})


def test_rows_are_text_without_the_unknown():
    rows = dict(describe(frames()).rows())
    assert rows["frames"] == "2 (1 periodic)"
    assert rows["force, largest (eV/Å)"] == "4 (frame 0, atom 1)"
    unlabelled = dict(
        describe(as_frames(Atoms("HF", [[0, 0, 0], [9, 0, 0]]), need_labels=False)).rows()
    )
    assert set(unlabelled) == {"frames", "atoms", "elements", "labels"}
    with pytest.raises(InputError, match="no frames"):
        describe([])
