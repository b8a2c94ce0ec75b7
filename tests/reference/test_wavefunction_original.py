"""The published network's own numbers (files beside the repository; skipped without them)."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.run.wavefunction import named_chip
from rgnn.tasks.wavefunction import original
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.electrons import Spins
from rgnn.tasks.wavefunction.system import molecule
from rgnn.tasks.wavefunction.wavefunction import assemble

SHARED = Path(__file__).parents[3] / "shared"
PARITY = SHARED / "parity" / "original"
MEASURED = SHARED / "data" / "rgnn_conductance" / "wavefunction.npz"

needs_parity = pytest.mark.skipif(not PARITY.exists(), reason="parity files are not here")
needs_measured = pytest.mark.skipif(not MEASURED.exists(), reason="chip data are not here")


@needs_parity
def test_log_psi_of_the_original_network_is_reproduced():
    with np.load(PARITY / "wavefunction_h2.npz") as data:
        x, logabs, sign, atoms = (data[k] for k in ("positions", "logabs", "sign", "atoms"))
    network = original.load(PARITY / "wavefunction_weights.npz", atoms, Spins(1, 1))
    found = network.log_psi(jnp.asarray(x.reshape(-1, 2, 3)))
    # The numbers of the file were found in single precision and are 7e-7 off the same network in
    # double; rounding here adds 4e-7.
    np.testing.assert_allclose(found.log, logabs, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.sign, sign)


@needs_measured
def test_measured_weights_are_differences_of_the_chip():
    chip = original.chip(MEASURED, unit=10.0)
    with np.load(MEASURED) as data:
        first = data["streams.0.single.w"]
    assert chip.wiring == "shared"
    column = chip.conductance[0, : first.shape[1] + 1, 0]
    np.testing.assert_allclose(np.diff(column), 10.0 * first[0], rtol=1e-4, atol=1e-4)


@needs_measured
def test_the_measured_chip_carries_a_wavefunction():
    chip = named_chip(str(MEASURED))
    assert chip is not None
    target = molecule("H2")
    config = WavefunctionConfig().resolved(target)
    problem = assemble(target, chip, config, ((0,),), ((0,),))
    weight = problem.ansatz.streams.embedding.weight
    assert weight.shape == (64, 19)
    assert float(weight.std()) == pytest.approx(1.0, rel=0.5)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        original.load(tmp_path / "nothing.npz", np.zeros((1, 3)), Spins(1, 1))
