"""DeePMD folders that dpdata wrote come back as the frames they were made from."""

import sys

import numpy as np
import pytest

from rgnn.core.errors import InputError, MissingExtra
from rgnn.io.structures import read_frames

dpdata = pytest.importorskip("dpdata", reason="dpdata, of the extra deepmd, is not installed")

RNG = np.random.default_rng(5)
N_FRAME = 3
CELL = np.array([[9.0, 1.0, 0.5], [0, 8, 0.5], [0, 0, 7]])
VOLUME = 9.0 * 8.0 * 7.0


def arrays(n_frame: int = N_FRAME, periodic: bool = True) -> dict[str, np.ndarray]:
    """Return the arrays of water frames: hydrogen is type 0, oxygen type 1."""
    molecule = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    symmetric = RNG.standard_normal((n_frame, 3, 3))
    return {
        "atom_names": ["H", "O"],
        "atom_numbs": [2, 1],
        "atom_types": np.array([1, 0, 0]),
        "orig": np.zeros(3),
        "cells": np.tile(CELL, (n_frame, 1, 1)),
        "coords": molecule + 0.05 * RNG.standard_normal((n_frame, 3, 3)),
        "energies": RNG.standard_normal(n_frame),
        "forces": RNG.standard_normal((n_frame, 3, 3)),
        "virials": symmetric + symmetric.swapaxes(1, 2),
        "nopbc": not periodic,
    }


def write(folder, data, set_size: int = 2, form: str = "deepmd/npy") -> None:
    system = dpdata.LabeledSystem(data=data)
    system.to(form, str(folder), set_size=set_size, prec=np.float64)


def assert_same(frames, data, path) -> None:
    assert len(frames) == len(data["coords"])
    for index, frame in enumerate(frames):
        assert frame.source == f"{path}, frame {index}"
        np.testing.assert_array_equal(frame.structure.numbers, [8, 1, 1])
        np.testing.assert_allclose(frame.structure.positions, data["coords"][index], atol=1e-12)
        assert frame.labels.energy == pytest.approx(data["energies"][index], abs=1e-12)
        np.testing.assert_allclose(frame.labels.forces, data["forces"][index], atol=1e-12)


def test_system_in_two_sets(tmp_path):
    data = arrays()
    write(tmp_path / "water", data)
    assert len(list((tmp_path / "water").glob("set.*"))) == 2
    frames = read_frames(tmp_path / "water")
    assert_same(frames, data, tmp_path / "water")
    for frame, virial in zip(frames, data["virials"], strict=True):
        np.testing.assert_allclose(frame.structure.cell, CELL, atol=1e-12)
        assert frame.structure.pbc.all()
        np.testing.assert_allclose(frame.labels.stress, -virial / VOLUME, atol=1e-12)


def test_stress_has_the_sign_dpdata_gives_ase(tmp_path):
    data = arrays()
    write(tmp_path, data)
    (atoms, *_) = dpdata.LabeledSystem(str(tmp_path), fmt="deepmd/npy").to_ase_structure()
    stress = read_frames(f"{tmp_path}@0")[0].labels.stress
    np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-12)


def test_molecules_without_a_cell(tmp_path):
    data = arrays(periodic=False)
    write(tmp_path, data)
    for frame in read_frames(tmp_path):
        assert not frame.structure.pbc.any() and frame.structure.volume == 0
        assert frame.labels.stress is None


def test_mixed_types_differ_from_frame_to_frame(tmp_path):
    data = arrays()
    write(tmp_path, data, form="deepmd/npy/mixed")
    assert_same(read_frames(tmp_path), data, tmp_path)
    types = np.load(tmp_path / "set.000" / "real_atom_types.npy")
    types[1] = [1, 0, -1]  # a frame of one atom less, padded
    np.save(tmp_path / "set.000" / "real_atom_types.npy", types)
    frame = read_frames(tmp_path)[1]
    np.testing.assert_array_equal(frame.structure.numbers, [8, 1])
    np.testing.assert_allclose(frame.labels.forces, data["forces"][1, :2], atol=1e-12)


def test_folder_of_systems_in_order_with_slices(tmp_path):
    write(tmp_path / "b" / "two", arrays())
    write(tmp_path / "a", arrays())
    frames = read_frames(f"{tmp_path}@2:4")
    assert [frame.source for frame in frames] == [
        f"{tmp_path / 'a'}, frame 2",
        f"{tmp_path / 'b' / 'two'}, frame 0",
    ]


def test_system_without_forces(tmp_path):
    write(tmp_path, arrays())
    for file in tmp_path.glob("set.*/force.npy"):
        file.unlink()
    assert len(read_frames(tmp_path, need_labels=False)) == N_FRAME
    with pytest.raises(InputError, match="frame 0: it has no forces"):
        read_frames(tmp_path)


def test_damage_is_named(tmp_path):
    write(tmp_path, arrays())
    forces = np.load(tmp_path / "set.001" / "force.npy")
    forces[0, 4] = np.nan
    np.save(tmp_path / "set.001" / "force.npy", forces)
    with pytest.raises(InputError, match="frame 2: the force on atom 1 is not a number"):
        read_frames(tmp_path)
    np.save(tmp_path / "set.001" / "force.npy", forces[:, :6])
    with pytest.raises(InputError, match="dpdata cannot read it"):
        read_frames(tmp_path)
    np.save(tmp_path / "set.001" / "force.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match="dpdata cannot read it"):
        read_frames(tmp_path)
    (tmp_path / "type_map.raw").unlink()
    np.save(tmp_path / "set.001" / "force.npy", forces)
    with pytest.raises(InputError, match=r"list the elements in type_map\.raw"):
        read_frames(tmp_path)


def test_types_that_do_not_fit(tmp_path):
    write(tmp_path / "short", arrays())
    (tmp_path / "short" / "type.raw").write_text("1\n0\n")
    with pytest.raises(InputError, match="short: "):
        read_frames(tmp_path / "short")
    write(tmp_path / "mixed", arrays(), form="deepmd/npy/mixed")
    file = tmp_path / "mixed" / "set.000" / "real_atom_types.npy"
    np.save(file, np.load(file) + 7)
    with pytest.raises(InputError, match="atom types do not fit"):
        read_frames(tmp_path / "mixed")
    np.save(file, np.array([{}], dtype=object))
    with pytest.raises(InputError, match="dpdata cannot read it"):
        read_frames(tmp_path / "mixed")


def test_raw_text_only(tmp_path):
    (tmp_path / "type.raw").write_text("0\n")
    with pytest.raises(InputError, match=r"no set\.\*/coord\.npy"):
        read_frames(tmp_path)


def test_without_dpdata_the_extra_is_named(tmp_path, monkeypatch):
    write(tmp_path, arrays())
    monkeypatch.setitem(sys.modules, "dpdata", None)
    with pytest.raises(MissingExtra, match=r"rgnn\[deepmd\]"):
        read_frames(tmp_path)
