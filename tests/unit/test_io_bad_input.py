"""Bad input gets one line that says what, where (file and frame) and what to do."""

import gzip

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from rgnn.core.errors import InputError
from rgnn.io.structures import as_frames, read_frames


def helium(n_atom: int = 4, **labels) -> Atoms:
    atoms = Atoms(f"He{n_atom}", positions=[[3.0 * i, 0, 0] for i in range(n_atom)])
    known = {"energy": -1.0, "forces": np.full((n_atom, 3), 0.123456789)} | labels
    atoms.calc = SinglePointCalculator(atoms, **{k: v for k, v in known.items() if v is not None})
    return atoms


def refuse(data, **options) -> str:
    """Return the one line with which the data are refused."""
    with pytest.raises(InputError) as caught:
        as_frames(data, **options) if isinstance(data, Atoms | list) else read_frames(data)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture
def xyz(tmp_path):
    """Return a file of three good frames, six lines each."""
    path = tmp_path / "train.extxyz"
    ase.io.write(path, [helium() for _ in range(3)])
    return path


def rewrite(path, old: str, new: str, count: int = 1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def cut(path, n_line: int, n_character: int = 0):
    """Keep the first lines of a file and some characters of the next."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:n_line]) + lines[n_line][:n_character])


def test_missing_file(tmp_path):
    assert "nowhere.xyz: no such file" in refuse(tmp_path / "nowhere.xyz")


def test_empty_file(tmp_path):
    (tmp_path / "a.extxyz").touch()
    assert "a.extxyz: the file is empty" in refuse(tmp_path / "a.extxyz")


def test_no_paths():
    with pytest.raises(InputError, match="no files given"):
        read_frames([])


def test_blank_file_has_no_frames(tmp_path):
    (tmp_path / "a.extxyz").write_text("\n\n")
    assert "a.extxyz: no frames in `:`" in refuse(tmp_path / "a.extxyz")


def test_slice_beyond_the_end(xyz):
    assert "no frames in `7:`" in refuse(f"{xyz}@7:")
    assert "not a frame selection" in refuse(f"{xyz}@last")
    assert "not a frame selection" in refuse(f"{xyz}@::0")


@pytest.mark.parametrize("name", ["a.extxyz", "a.bin", "a.traj", "a.db", "OUTCAR", "vasprun.xml"])
def test_binary_junk(tmp_path, name):
    junk = np.random.default_rng(0).integers(128, 256, 4096).astype(np.uint8).tobytes()
    (tmp_path / name).write_bytes(junk)
    assert str(tmp_path / name) in refuse(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a.extxyz", "model.safetensors"])
def test_foreign_text(tmp_path, name):
    (tmp_path / name).write_text("Dear reader,\nthis is a letter.\n")
    assert str(tmp_path / name) in refuse(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npz", "a.py", "a.toml"])
def test_formats_ase_does_not_read(tmp_path, name):
    (tmp_path / name).write_text("x = 1\n")
    assert "not a structure file ASE reads" in refuse(tmp_path / name)


def test_damaged_compression(xyz):
    path = xyz.with_name("a.extxyz.gz")
    path.write_bytes(gzip.compress(xyz.read_bytes() * 1000)[:-50])
    assert "a.extxyz.gz: " in refuse(path)


def test_an_impossible_number_of_atoms(tmp_path):
    (tmp_path / "a.xyz").write_text("99999999999\n\nHe 0 0 0\n")
    assert "a.xyz, frame 0: the file ends 99999999998 lines before" in refuse(tmp_path / "a.xyz")


def test_folder_that_is_no_system(tmp_path):
    assert "no DeePMD system" in refuse(tmp_path)


@pytest.mark.parametrize(
    ("lines", "characters", "frame", "words"),
    [
        (16, 0, 2, "ends 2 lines before"),  # between two rows
        (13, 0, 2, "ends 5 lines before"),  # after the header
        (13, 20, 2, "ends 4 lines before"),  # inside the comment
        (17, 30, 2, "of atom 3 has 3 columns, not 7"),  # inside a row
        (17, 100, 2, "in the middle of its last row"),  # inside the last number
    ],
)
def test_truncated_frame_is_named(xyz, lines, characters, frame, words):
    cut(xyz, lines, characters)
    line = refuse(xyz)
    assert f"train.extxyz, frame {frame}" in line and words in line
    assert len(read_frames(f"{xyz}@:2")) == 2


def test_frame_cut_in_the_middle_of_the_file(xyz):
    lines = xyz.read_text().splitlines(keepends=True)
    xyz.write_text("".join(lines[:3] + lines[6:]))
    assert "frame 0: the row of atom 1 has 1 columns, not 7" in refuse(xyz)


def test_surplus_rows(xyz):
    lines = xyz.read_text().splitlines(keepends=True)
    xyz.write_text("".join(lines[:6] + lines[5:]))
    assert "frame 1: found 'He" in refuse(xyz)


def test_number_that_is_none(xyz):
    rewrite(xyz, "0.12345679", "0.1234x679")
    assert "frame 0: broken extended XYZ" in refuse(xyz)


@pytest.mark.parametrize("word", ["species:S:one", "species:Q:1:pos:R:3", "pos"])
def test_broken_announcement_of_columns(xyz, word):
    rewrite(xyz, "species:S:1:pos:R:3", word)
    assert "train.extxyz, frame 0: " in refuse(xyz)


def test_truncated_trajectory(tmp_path):
    path = tmp_path / "a.traj"
    ase.io.write(path, [helium() for _ in range(3)])
    path.write_bytes(path.read_bytes()[:-200])
    assert "a.traj, frame" in refuse(path)


def test_no_forces_at_all_and_on_some_frames(tmp_path):
    path = tmp_path / "a.extxyz"
    ase.io.write(path, [helium(forces=None)])
    assert "a.extxyz, frame 0: it has no forces" in refuse(path)
    ase.io.write(path, [helium(), helium(), helium(forces=None)])
    assert "a.extxyz, frame 2: it has no forces" in refuse(path)
    assert "frame 0: it has no energy" in refuse(helium(energy=None))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("old", "words"),
    [
        ("0.12345679", "the force on atom 0 is not a number"),
        ("3.00000000", "the position of atom 1 is not a number"),
        ("energy=-1.0", "its energy is"),
    ],
)
def test_not_a_number(xyz, value, old, words):
    rewrite(xyz, old, f"energy={value}" if "energy" in old else value)
    assert f"frame 0: {words}" in refuse(xyz)


def test_not_a_number_in_cell_and_stress():
    atoms = helium()
    atoms.set_cell(np.diag([20.0, 20.0, np.nan]))
    atoms.pbc = True
    assert "the cell holds values that are not numbers" in refuse(atoms)
    atoms = helium()
    atoms.set_cell([20.0, 20.0, 20.0])
    atoms.calc = SinglePointCalculator(
        atoms, energy=0.0, forces=np.zeros((4, 3)), stress=np.full(6, np.nan)
    )
    assert "its stress holds values" in refuse(atoms)


@pytest.mark.parametrize("forces", [np.zeros((3, 3)), np.zeros((4, 2)), np.zeros(12), "a b"])
def test_wrong_shapes_and_kinds(forces):
    atoms = helium(forces=None)
    atoms.info["forces"] = forces
    assert "frame 0: forces (`forces`)" in refuse(atoms)


def test_an_energy_that_is_only_a_word(tmp_path):
    (tmp_path / "a.xyz").write_text("1\nargon energy -0.5\nAr 0 0 0\n")
    assert "frame 0: energy (`energy`) is not made of numbers" in refuse(tmp_path / "a.xyz")


@pytest.mark.parametrize("distance", [0.0, 0.05])
def test_two_atoms_at_one_place(distance):
    atoms = helium(forces=None)
    atoms.positions[3] = atoms.positions[1] + [0, distance, 0]
    assert "atoms 1 and 3 are" in refuse(atoms, need_labels=False)


def test_two_atoms_at_one_place_across_the_boundary():
    atoms = Atoms("He2", positions=[[0.01, 1, 1], [-8.02, 1, 1]], cell=[8, 8, 8], pbc=True)
    line = refuse(atoms, need_labels=False)
    assert "atoms 0 and 1 are 0.03 Å apart (periodic images counted)" in line
    atoms.pbc = [False, True, True]
    assert as_frames(atoms, need_labels=False)


def test_a_heap_of_atoms_is_refused_at_once():
    assert "atoms 0 and 1 are 0 Å apart" in refuse(Atoms("He20000"), need_labels=False)


def test_cells_without_volume():
    flat = Atoms("He", cell=[8, 8, 0], pbc=True)
    assert as_frames(Atoms("He", cell=[8, 8, 0], pbc=[1, 1, 0]), need_labels=False)
    assert as_frames(Atoms("He", pbc=False), need_labels=False)
    flat.cell[2] = [8, 0, 0]
    assert "periodic but its volume is 0" in refuse(flat, need_labels=False)
    assert "periodic but its volume is 0" in refuse(Atoms("He", pbc=True), need_labels=False)


def test_a_cell_that_repeats_the_atom_too_soon():
    atoms = Atoms("He", cell=[8, 8, 0.05], pbc=True)
    assert "the cell repeats after 0.05 Å" in refuse(atoms, need_labels=False)


def test_no_atoms_and_no_element():
    assert "frame 0: there are no atoms in it" in refuse(Atoms(), need_labels=False)
    assert "atom 1 is of no known element" in refuse(
        Atoms("HeX", positions=[[0, 0, 0], [2, 0, 0]]), need_labels=False
    )


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"forces": np.full((4, 3), 2e4)}, "the force on atom 0 is 3.46e+04 eV/Å"),
        ({"energy": -1e9}, "its energy is -1e+09 eV for 4 atoms"),
    ],
)
def test_absurd_labels(labels, words):
    assert f"frame 0: {words}" in refuse(helium(**labels))


def test_absurd_stress_and_positions():
    atoms = Atoms("He", cell=[8, 8, 8], pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, stress=np.full(6, 500.0))
    assert "stress must be in eV/Å³" in refuse(atoms)
    assert "positions must be in Å" in refuse(Atoms("He", positions=[[2e6, 0, 0]]))


def test_good_corner_cases_are_accepted():
    isolated = Atoms("He")
    isolated.calc = SinglePointCalculator(isolated, energy=-1.0)
    tiny = Atoms("Cu", cell=[[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]], pbc=True)
    tiny.calc = SinglePointCalculator(tiny, energy=-3.0)
    unwrapped = helium()
    assert len(as_frames([isolated, tiny, unwrapped])) == 3
