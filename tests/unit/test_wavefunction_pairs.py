"""Natural orbitals of pairs: those of full configuration interaction where there is one pair."""

import numpy as np
import pytest

pytest.importorskip("pyscf", reason="pyscf (extra 'wavefunction') is not installed")

from pyscf import fci, gto, scf

from rgnn.tasks.wavefunction import start
from rgnn.tasks.wavefunction.pairs import natural_orbitals
from rgnn.tasks.wavefunction.system import molecule

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("length", [1.4, 6.0])
def test_one_pair_has_the_natural_orbitals_of_full_configuration_interaction(length):
    mol = gto.M(atom=f"H 0 0 0; H 0 0 {length}", basis="6-31g", unit="Bohr", verbose=0)
    field = scf.RHF(mol).run()
    found = natural_orbitals(field, 0, 4)
    solver = fci.FCI(field)
    _, amplitudes = solver.kernel()
    occupation, _ = np.linalg.eigh(solver.make_rdm1(amplitudes, 4, 2))
    squares = found.weights**2 / (found.weights**2).sum()
    np.testing.assert_allclose(2 * squares, occupation[::-1], atol=1e-6)
    assert found.weights[0] == 1
    assert found.weights[1] < 0
    overlap = found.coefficients.T @ mol.intor("int1e_ovlp") @ found.coefficients
    np.testing.assert_allclose(overlap, np.eye(4), atol=1e-9)


def test_two_pairs_leave_their_orbitals_together_and_more_one_at_a_time():
    assert len(start._excitations([5, 5])) == 25
    assert len(start._excitations([5, 1])) == 5
    assert sorted(start._excitations([2, 2, 2])) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]


def test_the_unpaired_electron_of_lithium_stays_where_it_is():
    found = start.orbitals(molecule("Li"), determinants=3)
    assert found.up == ((0, 3), (1, 3), (2, 3))
    assert found.down == ((0,), (1,), (2,))
    assert found.exponents[3] < 0.6 < found.exponents[0]
