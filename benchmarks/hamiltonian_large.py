"""Rippled sheets of graphene: prediction by function and by command, sparse levels at Γ."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms

from rgnn.bands import kspace
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame, read_npz
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.model import HamiltonianModel

Rows = Iterator[tuple[str, dict[str, float]]]
COUNT = 40
"""Levels around the Fermi level."""


def large(shared: Path, seed: int) -> Rows:
    """Predict sheets of 128 and 1040 atoms and find 40 levels around the Fermi level at Γ.

    The levels of the smaller sheet are compared with all of its levels, solved densely. The larger
    one goes through `rgnn hamiltonian predict`: start, model, structure and result files included.
    """
    data = shared / "data/graphene_openmx"
    model = HamiltonianModel.fit(read_all([data / "train"]), seed=seed)
    unit = read_npz(data / "bands/unit.npz").structure
    start = time.process_time()
    frame = model.predict_frame(sheet(unit, 8, 8))
    cost = {"predict_cpu_seconds": time.process_time() - start}
    levels, found = _levels(frame)
    everything = kspace.energies(frame, np.zeros((1, 3)))[0]
    nearest = np.sort(everything[np.argsort(np.abs(everything - frame.fermi))[:COUNT]])
    difference = {"sparse_minus_dense_max_eV": float(np.abs(levels.energy - nearest).max())}
    yield f"sheet of {len(frame)} atoms, 8 × 8 cells", {**found, **cost, **difference}
    frame, cost = by_command(model, sheet(unit, 4, 130))
    yield f"sheet of {len(frame)} atoms, 4 × 130 cells, by command", {**_levels(frame)[1], **cost}


def sheet(unit: Structure, columns: int, rows: int) -> Structure:
    """Return cells of graphene with thermal-like displacements."""
    grid = np.meshgrid(range(columns), range(rows), [0], indexing="ij")
    cells = np.stack(grid, axis=-1).reshape(-1, 3)
    positions = (unit.positions + (cells @ unit.cell)[:, None]).reshape(-1, 3)
    positions += np.random.default_rng(0).normal(size=positions.shape) * (0.03, 0.03, 0.05)
    cell = unit.cell * np.array([[columns], [rows], [1]])
    return Structure(positions, np.tile(unit.numbers, columns * rows), cell, unit.pbc)


def by_command(
    model: HamiltonianModel, structure: Structure
) -> tuple[HamiltonianFrame, dict[str, float]]:
    """Return what the command line predicts, and what that takes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "model.rgnn")
        Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc).write(
            folder / "sheet.xyz"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = Path(sys.executable).with_name("rgnn")
        files = [folder / "model.rgnn", folder / "sheet.xyz", "--out", folder / "sheet.npz"]
        subprocess.run([command, "hamiltonian", "predict", *files], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        cost = {"predict_cpu_seconds": used, "command_peak_memory_GB": after.ru_maxrss / 1e6}
        return read_npz(folder / "sheet.npz"), cost


def _levels(frame: HamiltonianFrame) -> tuple[kspace.NearLevels, dict[str, float]]:
    """Return the levels around the Fermi level, and sizes and costs."""
    assert frame.fermi is not None
    start = time.process_time()
    levels = kspace.energies_near(frame, np.zeros(3), frame.fermi, COUNT)
    return levels, {
        "n_atoms": len(frame),
        "n_orbitals": int(frame.sizes.sum()),
        "ghost_levels": int(levels.ghosts.sum()),
        "levels_cpu_seconds": time.process_time() - start,
        "peak_memory_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
