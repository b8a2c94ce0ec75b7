"""SIESTA Hamiltonians through our frames: the file's own eigenvalues must come back."""

from pathlib import Path

import numpy as np
import pytest

from rgnn.bands import kspace
from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import in_standard_order
from rgnn.io.siesta import assemble, shells_from_l
from rgnn.tasks.hamiltonian.bonds import reach_of
from rgnn.tasks.hamiltonian.overlap import fit_curves

DATA = Path(__file__).parents[2] / "../shared/data/ham_siesta"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/ham_siesta")


def frame_of(name):
    z = np.load(DATA / f"{name}.npz")
    degrees = z["orb_nlmz"][:, 1]
    shells = {
        int(number): shells_from_l(
            degrees[z["orb_atom"] == np.flatnonzero(z["Z"] == number)[0]].tolist()
        )
        for number in np.unique(z["Z"])
    }
    images = [tuple(int(x) for x in r) for r in z["R"]]
    return z, assemble(
        Structure(z["pos"], z["Z"].astype(int), z["cell"], np.asarray(z["R"].any(axis=0))),
        shells,
        "siesta",
        z["orb_atom"].astype(int),
        [dict(zip(images, h, strict=True)) for h in z["H"]],
        dict(zip(images, z["S"], strict=True)),
        fermi=float(z["fermi"]),
        source=name,
    )


@pytest.mark.parametrize("name", ["H2", "H2O", "H_chain", "MgCO3", "Si_bulk"])
def test_eigenvalues_are_those_of_the_file(name):
    z, frame = frame_of(name)
    found = kspace.energies(frame, z["kpts"][:6])
    np.testing.assert_allclose(found, z["eig"][0][:6], atol=1e-4)


def test_sign_convention_makes_the_overlap_two_centre():
    _, frame = frame_of("Si_bulk")
    standard = in_standard_order(frame)
    curves = fit_curves([standard], standard.shells, reach_of([standard]))
    assert set(curves) == {(14, 14)}


def test_gamma_only_files_with_folded_images_are_refused():
    _, frame = frame_of("MgCO3")
    standard = in_standard_order(frame)
    with pytest.raises(InputError, match="not two-centre"):
        fit_curves([standard], standard.shells, reach_of([standard]))
