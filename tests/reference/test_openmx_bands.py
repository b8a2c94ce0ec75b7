"""OpenMX output read, diagonalised and compared with what OpenMX wrote itself."""

from pathlib import Path

import numpy as np
import pytest

from rgnn.bands import kspace
from rgnn.io.hamiltonian_frames import read_npz
from rgnn.io.openmx import read_scfout

DATA = Path(__file__).parents[2] / "../shared/data"
GRAPHENE = DATA / "graphene_openmx"
pytestmark = pytest.mark.skipif(not GRAPHENE.exists(), reason="needs ../shared/data")


@pytest.mark.parametrize("name", ["unit", "strain"])
def test_scfout_equals_the_npz_frame_bit_for_bit(name):
    raw = read_scfout(GRAPHENE / f"raw/{name}.scfout.gz")
    frame = read_npz(GRAPHENE / f"bands/{name}.npz")
    np.testing.assert_array_equal(raw.hamiltonian, frame.hamiltonian)
    np.testing.assert_array_equal(raw.overlap, frame.overlap)
    np.testing.assert_array_equal(raw.structure.positions, frame.structure.positions)
    np.testing.assert_array_equal(
        np.column_stack([raw.first, raw.second, raw.image]),
        np.column_stack([frame.first, frame.second, frame.image]),
    )
    assert raw.fermi == pytest.approx(frame.fermi, abs=1e-9)


@pytest.mark.parametrize("name", ["unit", "strain"])
def test_bands_are_those_openmx_wrote(name):
    frame = read_npz(GRAPHENE / f"bands/{name}.npz")
    found = kspace.energies(frame, frame.bands.k)
    np.testing.assert_allclose(found, frame.bands.energy, atol=1e-8)


def test_sisl_gives_the_same_bands():
    pytest.importorskip("sisl")
    from rgnn.io.siesta import to_sisl

    frame = read_npz(GRAPHENE / "bands/unit.npz")
    hamiltonian = to_sisl(frame)
    found = np.array([hamiltonian.eigh(k) for k in frame.bands.k[::7]])
    np.testing.assert_allclose(found, frame.bands.energy[::7], atol=1e-6)


@pytest.mark.parametrize("suffix", ["HSX", "TSHS"])
def test_exports_read_back(suffix, tmp_path):
    sisl = pytest.importorskip("sisl")
    from rgnn.io.siesta import to_sisl

    hamiltonian = to_sisl(read_npz(GRAPHENE / "bands/unit.npz"))
    file = str(tmp_path / f"unit.{suffix}")
    hamiltonian.write(file)
    back = sisl.get_sile(file).read_hamiltonian()
    np.testing.assert_allclose(back.eigh([0.1, 0.2, 0]), hamiltonian.eigh([0.1, 0.2, 0]), atol=1e-6)
