"""Rattled molecules by PySCF (PBE/def2-SVP), every coordinate by a normal of σ = 0.05 Å.

Computed once and kept in RGNN_BENCHMARK_CACHE, as self-consistency takes longest by far.
"""

import os
from pathlib import Path

import numpy as np

from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame, read_npz
from rgnn.io.hamiltonians import write

FORMULAS = {"water": ("H2O", 0), "ethanol": ("CH3CH2OH", 0), "methyl": ("CH3", 1)}
"""What a molecule is called in ASE, and its unpaired electrons."""

SPREAD = 0.05


def molecules(name: str, count: int) -> list[HamiltonianFrame]:
    """Return the first `count` frames of a molecule."""
    from ase.build import molecule as build

    from rgnn.io.pyscf_molecules import compute

    formula, unpaired = FORMULAS[name]
    atoms, rng = build(formula), np.random.default_rng(7)
    cache = Path(os.environ.get("RGNN_BENCHMARK_CACHE", ".benchmark_cache"))
    cache.mkdir(parents=True, exist_ok=True)
    frames = []
    for n in range(count):
        positions = atoms.positions + SPREAD * rng.normal(size=atoms.positions.shape)
        path = cache / f"{name}-{n:03d}.npz"
        if not path.exists():
            structure = Structure(positions, atoms.numbers.astype(int))
            write(path, compute(structure, unpaired=unpaired, source=f"{name} {n}"))
        frames.append(read_npz(path))
    return frames
