"""Every foreign format ends up as the same frames."""

import gzip

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.io.structures import as_frames, from_ase, iter_frames, read_frames, to_ase, write_frames

STRESS = np.array([0.01, -0.02, 0.03, 0.004, -0.005, 0.006])
STRESS_MATRIX = np.array(
    [[0.01, 0.006, -0.005], [0.006, -0.02, 0.004], [-0.005, 0.004, 0.03]],
)


def water(number: int = 0, stress: bool = True) -> Atoms:
    """Return a labelled water molecule in a skewed box; every number differs from every other."""
    rng = np.random.default_rng(number)
    atoms = Atoms(
        "OH2",
        positions=[[0.1, 0.2, 0.3], [1.0, 0.2, 0.3], [-0.2, 1.1, 0.3]],
        cell=[[6.0, 0.0, 0.0], [1.0, 7.0, 0.0], [0.5, -0.5, 8.0]],
        pbc=True,
        info={"melt": number // 2, "temperature_K": 300.5},
    )
    atoms.positions += 0.05 * rng.standard_normal((3, 3))
    labels = {"energy": -14.25 - number, "forces": rng.standard_normal((3, 3))}
    atoms.calc = SinglePointCalculator(atoms, **labels, **({"stress": STRESS} if stress else {}))
    return atoms


def assert_same(frame: Frame, atoms: Atoms, atol: float = 1e-7) -> None:
    np.testing.assert_allclose(frame.structure.positions, atoms.positions, atol=atol)
    np.testing.assert_allclose(frame.structure.cell, atoms.cell.array, atol=atol)
    np.testing.assert_array_equal(frame.structure.numbers, atoms.numbers)
    np.testing.assert_array_equal(frame.structure.pbc, atoms.pbc)
    assert frame.labels.energy == pytest.approx(atoms.get_potential_energy(), abs=atol)
    np.testing.assert_allclose(frame.labels.forces, atoms.get_forces(), atol=atol)
    np.testing.assert_allclose(frame.labels.stress, STRESS_MATRIX, atol=atol)


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz", "a.traj", "a.extxyz.gz", "a.extxyz.xz"])
def test_formats_written_by_ase(tmp_path, name):
    images = [water(number) for number in range(4)]
    ase.io.write(tmp_path / name, images)
    frames = read_frames(tmp_path / name)
    for number, (frame, atoms) in enumerate(zip(frames, images, strict=True)):
        assert_same(frame, atoms)
        assert frame.source == f"{tmp_path / name}, frame {number}"
        if "xyz" in name:  # the other formats do not keep info
            assert frame.info == {"melt": number // 2, "temperature_K": 300.5}


@pytest.mark.parametrize("name", ["a.db", "a.json"])
def test_ase_database(tmp_path, name):
    images = [water(number) for number in range(3)]
    with connect(tmp_path / name) as database:
        for number, atoms in enumerate(images):
            database.write(atoms, melt=number)
    for number, frame in enumerate(read_frames(tmp_path / name)):
        assert_same(frame, images[number])
        assert frame.info == {"melt": number}


def test_ase_database_with_labels_beside_the_atoms(tmp_path):
    atoms = water(stress=False)
    forces = atoms.get_forces()
    atoms.calc = None
    with connect(tmp_path / "a.db") as database:
        database.write(atoms, data={"energy": np.array([-1.5]), "forces": forces})
    (frame,) = read_frames(tmp_path / "a.db")
    assert frame.labels.energy == -1.5
    np.testing.assert_array_equal(frame.labels.forces, forces)


@pytest.mark.parametrize("name", ["POSCAR", "a.cif"])
def test_unlabelled_structures(tmp_path, name):
    atoms = water()
    atoms.calc = None
    ase.io.write(tmp_path / name, atoms)
    (frame,) = read_frames(tmp_path / name, need_labels=False)
    assert frame.labels.energy is None and frame.labels.forces is None
    assert sorted(frame.structure.numbers) == [1, 1, 8]
    assert frame.structure.volume == pytest.approx(atoms.cell.volume, rel=1e-6)
    with pytest.raises(InputError, match=r"frame 0: it has no forces"):
        read_frames(tmp_path / name)


OUTCAR_HEADER = """\
 vasp.6.4.1
 POTCAR:    PAW_PBE O 08Apr2002
 POTCAR:    PAW_PBE H 15Jun2001
 POTCAR:    PAW_PBE O 08Apr2002
 POTCAR:    PAW_PBE H 15Jun2001
   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    NBANDS=      8
 k-points in reciprocal lattice and weights: gamma
   0.00000000  0.00000000  0.00000000       1.000
   ions per type =               1   2
   ISPIN  =      1    spin polarized calculation?
--------------------------------------- Iteration      1(   1)  ---------------------------------------
"""  # noqa: E501


def outcar_step(atoms: Atoms) -> str:
    """Return one ionic step as VASP writes it; its stress is in kbar with the opposite sign."""
    xx, yy, zz, yz, xz, xy = -STRESS * 1602.1766208
    vectors = "".join("  {:.9f} {:.9f} {:.9f}  0.0 0.0 0.0\n".format(*row) for row in atoms.cell)
    rows = "".join(
        "  " + " ".join(f"{value:.9f}" for value in (*place, *force)) + "\n"
        for place, force in zip(atoms.positions, atoms.get_forces(), strict=True)
    )
    energy = atoms.get_potential_energy()
    return (
        f"  in kB  {xx:.8f} {yy:.8f} {zz:.8f} {xy:.8f} {yz:.8f} {xz:.8f}\n"
        "      direct lattice vectors                 reciprocal lattice vectors\n"
        f"{vectors}\n"
        " POSITION                                       TOTAL-FORCE (eV/Angst)\n"
        " ----------------------------------------------------------------------\n"
        f"{rows}"
        "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n"
        "  ---------------------------------------------------\n"
        f"  free  energy   TOTEN  =  {energy - 0.5:.8f} eV\n\n"
        f"  energy  without entropy= {energy - 0.2:.8f}  energy(sigma->0) = {energy:.8f}\n"
    )


def test_vasp_outcar(tmp_path):
    images = [water(number) for number in range(3)]
    (tmp_path / "OUTCAR").write_text(OUTCAR_HEADER + "".join(map(outcar_step, images)))
    for frame, atoms in zip(read_frames(tmp_path / "OUTCAR"), images, strict=True):
        assert_same(frame, atoms, atol=1e-6)


def vasprun(atoms: Atoms) -> str:
    """Return a vasprun.xml of one step."""

    def varray(name: str, rows: np.ndarray) -> str:
        lines = "".join(f"<v>{' '.join(map(repr, map(float, row)))}</v>" for row in rows)
        return f'<varray name="{name}">{lines}</varray>'

    structure = (
        f"<crystal>{varray('basis', atoms.cell.array)}</crystal>"
        f"{varray('positions', atoms.get_scaled_positions(wrap=False))}"
    )
    species = "".join(f"<rc><c>{symbol}</c><c>1</c></rc>" for symbol in atoms.symbols)
    energy = "".join(
        f'<i name="{name}">{atoms.get_potential_energy()!r}</i>'
        for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    )
    return (
        f'<modeling><atominfo><array name="atoms"><set>{species}</set></array></atominfo>'
        f"<kpoints>{varray('kpointlist', np.zeros((0, 3)))}</kpoints>"
        f'<structure name="initialpos">{structure}</structure><calculation>'
        f"<scstep><energy>{energy}</energy></scstep><structure>{structure}</structure>"
        f"{varray('forces', atoms.get_forces())}{varray('stress', -STRESS_MATRIX * 1602.1766208)}"
        f"<energy>{energy}</energy></calculation></modeling>"
    )


def test_vasprun_xml(tmp_path):
    atoms = water()
    (tmp_path / "vasprun.xml").write_text('<?xml version="1.0"?>\n' + vasprun(atoms))
    (frame,) = read_frames(tmp_path / "vasprun.xml")
    assert_same(frame, atoms)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2", [2]),
        ("-1", [5]),
        ("1:3", [1, 2]),
        ("::2", [0, 2, 4]),
        ("-2:", [4, 5]),
        (":-4", [0, 1]),
        ("::-3", [5, 2]),
        ("4:99", [4, 5]),
    ],
)
def test_slices_name_frames_of_the_whole_file(tmp_path, text, numbers):
    path = tmp_path / "a.extxyz"
    ase.io.write(path, [water(number) for number in range(6)])
    wanted = [f"{path}, frame {number}" for number in numbers]
    assert [frame.source for frame in read_frames(f"{path}@{text}")] == wanted
    assert [frame.source for frame in read_frames([path], index=text)] == wanted


def test_several_files_in_order_and_a_name_with_an_at_sign(tmp_path):
    first, second = tmp_path / "a.extxyz", tmp_path / "b@2.extxyz"
    ase.io.write(first, [water(0), water(1)])
    second.write_bytes(first.read_bytes())
    frames = read_frames([f"{first}@1", second])
    assert [frame.source for frame in frames] == [
        f"{first}, frame 1",
        f"{second}, frame 0",
        f"{second}, frame 1",
    ]


def test_iter_frames_reads_no_further_than_asked(tmp_path):
    path = tmp_path / "a.extxyz"
    ase.io.write(path, [water(0), water(1)])
    path.write_text(path.read_text() + "garbage\n")
    frames = iter_frames(path)
    assert next(frames).source.endswith("frame 0")
    assert len(read_frames(f"{path}@:2")) == 2


@pytest.mark.parametrize(
    ("info", "arrays"),
    [
        ({"REF_energy": -1.5, "REF_stress": STRESS}, "REF_forces"),
        ({"dft_energy": -1.5, "dft_stress": STRESS_MATRIX}, "dft_forces"),
        ({"energy": -1.5, "REF_energy": 7.0, "stress": STRESS_MATRIX.ravel()}, "force"),
        ({"DFT-energy": np.float32(-1.5), "virial": -STRESS_MATRIX * 336.0}, "forces"),
    ],
)
def test_labels_under_other_names(info, arrays):
    atoms = water()
    forces = atoms.get_forces()
    atoms.calc = None
    atoms.info.update(info)
    atoms.arrays[arrays] = forces
    atoms.info["stress_units"] = "eV/A3"
    frame = from_ase(atoms)
    assert frame.labels.energy == -1.5
    np.testing.assert_array_equal(frame.labels.forces, forces)
    np.testing.assert_allclose(frame.labels.stress, STRESS_MATRIX, rtol=1e-12)
    assert set(frame.info) == {"melt", "temperature_K", "stress_units"}


def test_explicit_labels_win_and_stale_ones_do_not_count():
    atoms = water()
    atoms.info["REF_energy"] = 99.0
    assert from_ase(atoms).labels.energy == -14.25
    atoms.positions += 0.01
    assert from_ase(atoms).labels.energy == 99.0
    assert from_ase(atoms).labels.forces is None


def test_nothing_is_computed():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]], calculator=EMT())
    assert from_ase(atoms).labels.energy is None
    energy = atoms.get_potential_energy()
    assert from_ase(atoms).labels.energy == energy


def test_forces_are_the_raw_ones_when_atoms_are_fixed():
    from ase.constraints import FixAtoms

    atoms = water()
    forces = atoms.get_forces().copy()
    atoms.set_constraint(FixAtoms([0]))
    np.testing.assert_array_equal(from_ase(atoms).labels.forces, forces)


def test_slab_without_a_third_vector_gets_one():
    atoms = Atoms("Cu", cell=[2.5, 2.5, 0.0], pbc=[True, True, False])
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, stress=STRESS)
    (frame,) = as_frames(atoms)
    assert frame.structure.volume == pytest.approx(6.25)
    assert frame.labels.stress is None
    np.testing.assert_array_equal(frame.labels.forces, np.zeros((1, 3)))


def test_predictions_are_written_with_their_uncertainty(tmp_path):
    frames = as_frames([water(0), water(1)])
    deviations = [np.full((3, 3), 0.25), np.full((3, 3), 0.5)]
    path = tmp_path / "out.extxyz"
    write_frames(path, frames, forces_std=deviations, energy_std=[0.1, 0.2])
    images = ase.io.read(path, index=":")
    assert [image.info["energy_std"] for image in images] == [0.1, 0.2]
    np.testing.assert_array_equal(images[1].arrays["forces_std"], deviations[1])
    for frame, number in zip(read_frames(path), range(2), strict=True):
        assert_same(frame, water(number))
    assert [file.name for file in tmp_path.iterdir()] == ["out.extxyz"]


def test_to_ase_and_back():
    atoms = water()
    again = from_ase(to_ase(from_ase(atoms)))
    assert_same(again, atoms, atol=0)
    assert dict(again.info) == atoms.info


def test_as_frames_takes_atoms_frames_and_mixtures():
    frame = from_ase(water(), source="mine")
    assert [f.source for f in as_frames([water(), frame])] == ["frame 0", "mine"]
    assert len(as_frames(frame)) == 1
    with pytest.raises(InputError, match=r"frame 1 is a str, not ase\.Atoms"):
        as_frames([frame, "train.extxyz"])
    with pytest.raises(InputError, match="the list is empty"):
        as_frames([])


def test_blank_lines_between_frames(tmp_path):
    path = tmp_path / "a.xyz"
    ase.io.write(path, water())
    path.write_text("\n\n".join([path.read_text()] * 2) + "\n\n")
    assert len(read_frames(path)) == 2


def test_gzip_of_plain_xyz_without_labels(tmp_path):
    path = tmp_path / "a.xyz.gz"
    with gzip.open(path, "wt") as file:
        file.write("1\nan isolated atom\nAr 0 0 0\n")
    (frame,) = read_frames(path, need_labels=False)
    assert frame.structure.numbers.tolist() == [18]
