"""One way to load whatever model a file holds."""

from pathlib import Path

from rgnn.core.errors import InputError
from rgnn.io import model_file
from rgnn.tasks.force import storage as force
from rgnn.tasks.force.model import ForceField
from rgnn.tasks.hamiltonian import storage as hamiltonian
from rgnn.tasks.hamiltonian.model import HamiltonianModel

_READERS = {force.FORMAT: force.load, hamiltonian.FORMAT: hamiltonian.load}


def load(path: str | Path) -> ForceField | HamiltonianModel:
    """Return the model in `path`: a force field or a Hamiltonian model."""
    found = model_file.kind(Path(path))
    if found not in _READERS:
        raise InputError(f"{path}: no rgnn model this version knows (format {found!r})")
    return _READERS[found](path)
