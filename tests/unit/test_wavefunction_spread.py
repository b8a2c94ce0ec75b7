"""Walkers shared by two devices: the same energies as on one."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("pyscf", reason="pyscf (extra 'wavefunction') is not installed")

PROGRAM = """
import json, warnings
import jax
from rgnn.run.config import resolve
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.wavefunction import Wavefunction

settings = {
    "size": ["width=8", "pair_width=4", "layers=1"],
    "training": ["walkers=64", "chunk=16", "iterations=10", "moves=2"],
    "evaluation": ["samples=10", "moves=2", "burn_in=20", "chunk=16"],
}
changes = [f"{group}.{change}" for group, all in settings.items() for change in all]
# In single precision the order of sums decides a close call of the sampler now and then.
changes.append("dtype=float64")
psi = Wavefunction.fit("H2", config=resolve(WavefunctionConfig, assignments=changes))
print(json.dumps({
    "devices": len(psi.electrons.sharding.device_set),
    "evaluated_on": len(psi.evaluated.walkers.electrons.sharding.device_set),
    "trace": psi.trace.energy.tolist(),
    "energy": psi.energy.mean,
}))
"""


def _fit(devices: int) -> dict:
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_two_devices_find_the_energies_of_one():
    one, two = _fit(1), _fit(2)
    assert (one["devices"], two["devices"], two["evaluated_on"]) == (1, 2, 2)
    # Sums over walkers are taken in another order, nothing else differs.
    assert two["trace"] == pytest.approx(one["trace"], abs=1e-7)
    assert two["energy"] == pytest.approx(one["energy"], abs=1e-6)
