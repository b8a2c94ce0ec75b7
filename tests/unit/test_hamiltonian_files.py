"""Hamiltonians through the files of other programs: spins, Fermi levels, molecules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rgnn.datasets
from rgnn.bands import kspace, reference
from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import in_standard_order, read_npz
from rgnn.io.hamiltonians import read, write
from rgnn.tasks.hamiltonian.bonds import reach_of
from rgnn.tasks.hamiltonian.overlap import fit_curves

UNIT = Path(rgnn.datasets.__file__).parent / "graphene-openmx/bands/unit.npz"
POINT = np.array([[0.1, 0.2, 0.0]])


@pytest.fixture(scope="module")
def polarised():
    """Perfect graphene whose second spin lies 0.3 S higher."""
    frame = read_npz(UNIT)
    h = np.concatenate([frame.hamiltonian, frame.hamiltonian + 0.3 * frame.overlap])
    return replace(frame, hamiltonian=h)


def test_npz_keeps_both_spins(polarised, tmp_path):
    write(tmp_path / "two.npz", polarised)
    np.testing.assert_array_equal(read(tmp_path / "two.npz").hamiltonian, polarised.hamiltonian)


@pytest.mark.parametrize("suffix", ["HSX", "TSHS"])
def test_siesta_files_keep_both_spins_and_put_the_fermi_level_at_0(polarised, tmp_path, suffix):
    pytest.importorskip("sisl")
    write(tmp_path / f"two.{suffix}", polarised)
    import sisl

    written = sisl.get_sile(str(tmp_path / f"two.{suffix}")).read_hamiltonian()
    for spin in (0, 1):
        expected = kspace.energies(polarised, POINT, spin=spin)[0] - polarised.fermi
        np.testing.assert_allclose(written.eigh(POINT[0], spin=spin), expected, atol=1e-6)


def test_an_hsx_file_reads_back_as_the_same_bands(polarised, tmp_path):
    pytest.importorskip("sisl")
    write(tmp_path / "two.HSX", polarised)
    back = read(tmp_path / "two.HSX")
    assert (back.n_spin, back.shells, back.fermi) == (2, polarised.shells, 0.0)
    for spin in (0, 1):
        expected = kspace.energies(polarised, POINT, spin=spin) - polarised.fermi
        np.testing.assert_allclose(kspace.energies(back, POINT, spin=spin), expected, atol=1e-6)


def test_a_file_without_its_basis_is_refused(polarised, tmp_path):
    pytest.importorskip("sisl")
    write(tmp_path / "two.TSHS", polarised)
    with pytest.raises(InputError, match="does not say which l"):
        read(tmp_path / "two.TSHS")


def test_bands_of_both_spins_are_compared(polarised):
    spoilt = polarised.hamiltonian.copy()
    spoilt[1] += 0.01 * polarised.overlap
    pair = reference.compare(polarised, replace(polarised, hamiltonian=spoilt), 0.0)
    half = len(pair.reference) // 2
    np.testing.assert_allclose(pair.predicted[:half], pair.reference[:half], atol=1e-9)
    np.testing.assert_allclose(pair.predicted[half:], pair.reference[half:] + 0.01, atol=1e-9)


def test_unknown_kinds_are_refused(polarised, tmp_path):
    with pytest.raises(InputError, match=r"use \.npz, \.HSX or \.TSHS"):
        write(tmp_path / "two.txt", polarised)


@pytest.fixture(scope="module")
def water():
    pytest.importorskip("pyscf")
    from rgnn.io.pyscf_molecules import compute

    positions = np.array([[0.0, 0, 0.12], [0.0, 0.79, -0.45], [0.3, -0.75, -0.42]])
    return compute(Structure(positions, np.array([8, 1, 1])), tolerance=1e-8)


def test_a_molecule_has_the_orbital_energies_pyscf_finds(water):
    from pyscf import dft, gto

    atoms = list(zip(["O", "H", "H"], water.structure.positions.tolist(), strict=True))
    molecule = gto.M(atom=atoms, basis="def2-svp", verbose=0)
    exact = dft.RKS(molecule, xc="pbe")  # without density fitting, which costs 5 meV
    exact.kernel()
    found = kspace.energies(water, np.zeros((1, 3)))[0]
    np.testing.assert_allclose(found, 27.211386245988 * np.asarray(exact.mo_energy), atol=1e-2)


def test_a_radical_has_two_spins(water):
    from rgnn.io.pyscf_molecules import compute

    first = water.structure.positions[:2]
    radical = compute(Structure(first, np.array([8, 1])), unpaired=1, basis="sto-3g")
    up, down = (kspace.energies(radical, np.zeros((1, 3)), spin=s)[0] for s in (0, 1))
    assert (up[:5] < down[:5]).all()
    assert radical.fermi is not None
    assert (up < radical.fermi).sum() == 5


def test_an_impossible_number_of_unpaired_electrons_is_refused(water):
    from rgnn.io.pyscf_molecules import compute

    with pytest.raises(InputError, match="or 1 unpaired electrons"):
        compute(water.structure, unpaired=1)


def test_a_molecules_overlap_is_two_centre_in_pyscf_order(water):
    """s, p and d of O against s and p of H: a wrong order or sign would not be two-centre."""
    standard = in_standard_order(water)
    curves = fit_curves([standard], standard.shells, reach_of([standard]))
    assert set(curves) == {(1, 1), (1, 8)}
