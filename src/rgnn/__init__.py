"""Reservoir graph networks on resistive-memory chips.

Public names are loaded on first use, so that importing `rgnn` and asking the command line for help
stay fast.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rgnn import crossbar as crossbar
    from rgnn import datasets as datasets
    from rgnn.device.chip import Chip as Chip
    from rgnn.run.load import load as load
    from rgnn.tasks.force.config import ForceConfig as ForceConfig
    from rgnn.tasks.force.model import ForceField as ForceField
    from rgnn.tasks.hamiltonian.config import HamiltonianConfig as HamiltonianConfig
    from rgnn.tasks.hamiltonian.model import HamiltonianModel as HamiltonianModel
    from rgnn.tasks.wavefunction.config import WavefunctionConfig as WavefunctionConfig
    from rgnn.tasks.wavefunction.wavefunction import Wavefunction as Wavefunction

__version__ = _version("rgnn")

_HOME = {
    "Chip": "rgnn.device.chip",
    "ForceConfig": "rgnn.tasks.force.config",
    "ForceField": "rgnn.tasks.force.model",
    "HamiltonianConfig": "rgnn.tasks.hamiltonian.config",
    "HamiltonianModel": "rgnn.tasks.hamiltonian.model",
    "Wavefunction": "rgnn.tasks.wavefunction.wavefunction",
    "WavefunctionConfig": "rgnn.tasks.wavefunction.config",
    "load": "rgnn.run.load",
}

_PACKAGES = ("crossbar", "datasets")

__all__ = [
    "Chip",
    "ForceConfig",
    "ForceField",
    "HamiltonianConfig",
    "HamiltonianModel",
    "Wavefunction",
    "WavefunctionConfig",
    "crossbar",
    "datasets",
    "load",
]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _PACKAGES:
        return import_module(f"rgnn.{name}")
    raise AttributeError(f"module 'rgnn' has no attribute {name!r}")
