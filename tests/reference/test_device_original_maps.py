"""The conductances that the original authors published, as weights."""

from pathlib import Path

import numpy as np
import pytest

from rgnn.crossbar import build
from rgnn.device import measured, wiring
from rgnn.device.characterise import characterise
from rgnn.device.chip import Chip

DATA = Path(__file__).parents[2] / "../shared/data"


def load(task):
    path = DATA / "rgnn_conductance" / f"{task}.npz"
    if not path.exists():
        pytest.skip("the original authors' conductances are not part of the repository")
    return measured.load(path)


@pytest.mark.parametrize("task", ["atomic_force", "hamiltonian", "wavefunction"])
def test_every_matrix_is_made_of_shared_cells(task):
    measurement = load(task)
    for name, reads in zip(measurement.names, measurement.maps, strict=True):
        found = wiring.detect(reads[0])
        assert found.kind == "shared", name
        assert abs(found.lag_1[found.axis] + 0.5) < 4 / np.sqrt(reads[0].size), name
        assert abs(found.lag_2[found.axis]) < 4 / np.sqrt(reads[0].size), name


@pytest.mark.parametrize("task", ["atomic_force", "hamiltonian", "wavefunction"])
def test_recovered_cells_are_right_skewed_with_few_stuck_high(task):
    found = characterise(load(task))
    cells = found.cells
    skewness = (((cells - cells.mean()) / cells.std()) ** 3).mean()
    assert 0.3 < skewness < 1.2 and len(found.stuck) < 1e-3 * cells.size
    names = [candidate.name for candidate in found.candidates]
    assert names[:2] == ["mixture of two log-normals", "log-normal"]
    law = found.law.parameters
    assert law["second_mean_uS"] == pytest.approx(law["mean_uS"], rel=0.01)
    assert 0.2 < law["second_share"] < 0.3


def test_the_chip_returns_the_published_weights():
    path = DATA / "rgnn_conductance/atomic_force.npz"
    if not path.exists():
        pytest.skip("the original authors' conductances are not part of the repository")
    weights = np.load(path)["layer0.node_fc1"].astype(float)
    chip = Chip.from_measurements(path, array="layer0.node_fc1")
    block = build.cut(chip, [weights.shape])[0]
    np.testing.assert_allclose(block.weight / block.gain, weights, atol=1e-12)


def test_the_measured_sparse_array():
    path = DATA / "rram_esgnn/weights_uS.npz"
    if not path.exists():
        pytest.skip("the measured 40-nm map is not part of the repository")
    found = characterise(measured.load(path, array="hidden_weight"))
    assert found.open_fraction == pytest.approx(0.51, abs=0.01)
    assert found.law.parameters["mean_uS"] == pytest.approx(12.3, abs=0.1)
    assert 0.14 < found.law.parameters["relative_std"] < 0.155
