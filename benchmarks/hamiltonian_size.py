"""What the error on the 4×4 frame is made of: diagnosis of a test frame, no choice of settings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rgnn.bands import kspace
from rgnn.bands.fermi import fermi_level
from rgnn.io.hamiltonian_frames import HamiltonianFrame, in_standard_order
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.bonds import bonds_of_frame
from rgnn.tasks.hamiltonian.design import as_rows, atom_rows
from rgnn.tasks.hamiltonian.fit import hopping_values, onsite_values
from rgnn.tasks.hamiltonian.metrics import compare
from rgnn.tasks.hamiltonian.model import HamiltonianModel

Rows = Iterator[tuple[str, dict[str, float]]]
VALENCE = 4
"""Electrons of a carbon atom."""


def size(shared: Path, seed: int) -> Rows:
    """Sort errors by irrep; remove what a potential on each atom explains; compare k meshes."""
    data = shared / "data/graphene_openmx"
    model = HamiltonianModel.fit(read_all([data / "train"]), seed=seed)
    for cells, mesh, shift, names in ((3, 3, 0.0, "g33*.npz"), (4, 2, 0.5, "g44*.npz")):
        frames = read_all(sorted((data / "test").glob(names)))
        errors = [_error_blocks(frame, model) for frame in frames]
        potentials = [_potential(f, e) for f, e in zip(frames, errors, strict=True)]
        left = [e - _shift(f, v) for f, e, v in zip(frames, errors, potentials, strict=True)]
        first = frames[0]
        assert first.fermi is not None
        yield (
            f"cells {cells}×{cells}: as predicted",
            {
                **_sizes(errors),
                **_by_irrep(frames, errors),
                "leverage": float(np.mean([_leverage(frame, model) for frame in frames])),
            },
        )
        yield (
            f"cells {cells}×{cells}: potential of each atom removed",
            {
                **_sizes(left),
                **_by_irrep(frames, left),
                "potential_std_meV": 1e3 * float(np.mean([v.std() for v in potentials])),
                "fermi_from_mesh_minus_file_meV": 1e3 * (_fermi(first, mesh, shift) - first.fermi),
                "fermi_from_other_mesh_minus_file_meV": 1e3
                * (_fermi(first, mesh, 0.5 - shift) - first.fermi),
            },
        )


def _error_blocks(frame: HamiltonianFrame, model: HamiltonianModel) -> np.ndarray:
    """Return predicted − DFT blocks [eV] in one energy zero; all atoms have as many orbitals."""
    found = compare(frame, model.predict_frame(frame.structure))
    return found.error.reshape(frame.overlap.shape)


def _by_irrep(frames: list[HamiltonianFrame], errors: list[np.ndarray]) -> dict[str, float]:
    """Return the MAE of scalars (on site L = 0, between atoms m = 0) and of everything else."""
    scalars, others = [], []
    for frame, error in zip(frames, errors, strict=True):
        wrong = in_standard_order(replace(frame, hamiltonian=error[None]))
        onsite = onsite_values(wrong.hamiltonian[:, wrong.onsite], wrong.shells[6])
        scalars.append(onsite.pop(0).ravel())
        others += [values.ravel() for values in onsite.values()]
        for (a, b), bonds in bonds_of_frame(wrong).items():
            shells, blocks = (wrong.shells[a], wrong.shells[b]), wrong.hamiltonian[:, bonds.block]
            for channel, values in hopping_values(blocks, bonds, *shells, same=a == b).items():
                (others if channel.m else scalars).append(as_rows(values, channel.m).ravel())
    return {
        "scalar_mae_meV": 1e3 * float(np.abs(np.concatenate(scalars)).mean()),
        "other_mae_meV": 1e3 * float(np.abs(np.concatenate(others)).mean()),
    }


def _leverage(frame: HamiltonianFrame, model: HamiltonianModel) -> float:
    """Return the mean leverage of on-site scalars: how far atoms are from those in training."""
    network = model.fitted.network
    features = network.atoms(network.densities(frame.structure, None), None)
    return float(model.fitted.onsite[6][0].leverage(atom_rows(features[0], 0)).mean())


def _potential(frame: HamiltonianFrame, error: np.ndarray) -> np.ndarray:
    """Return v_i [eV] for which Σ (error_ij − (v_i + v_j) S_ij / 2)² is least."""
    n = len(frame)
    square = np.sum(frame.overlap**2, axis=(1, 2)) / 4
    moment = np.sum(frame.overlap * error, axis=(1, 2)) / 2
    matrix, vector = np.zeros((n, n)), np.zeros(n)
    for one, other in ((frame.first, frame.second), (frame.second, frame.first)):
        np.add.at(matrix, (one, one), square)
        np.add.at(matrix, (one, other), square)
        np.add.at(vector, one, moment)
    return np.linalg.lstsq(matrix, vector, rcond=None)[0]


def _shift(frame: HamiltonianFrame, potential: np.ndarray) -> np.ndarray:
    mean = (potential[frame.first] + potential[frame.second]) / 2
    return mean[:, None, None] * frame.overlap


def _fermi(frame: HamiltonianFrame, mesh: int, shift: float) -> float:
    """Return the Fermi level [eV] of the frame's own H on a mesh through Γ or beside it."""
    k = kspace.mesh([mesh, mesh, 1]) + np.array([shift / mesh, shift / mesh, 0.0])
    return fermi_level(kspace.energies(frame, k)[None], VALENCE * len(frame))


def _sizes(errors: list[np.ndarray]) -> dict[str, float]:
    flat = 1e3 * np.concatenate([e.ravel() for e in errors])
    return {"h_mae_meV": float(np.abs(flat).mean()), "h_rmse_meV": float(np.sqrt((flat**2).mean()))}
