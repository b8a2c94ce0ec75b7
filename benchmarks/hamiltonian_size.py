"""What the error on the 4×4 frame is made of: diagnosis of a test frame, no choice of settings."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rgnn.bands import kspace
from rgnn.bands.fermi import fermi_level
from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.metrics import compare
from rgnn.tasks.hamiltonian.model import HamiltonianModel

Rows = Iterator[tuple[str, dict[str, float]]]
VALENCE = 4
"""Electrons of a carbon atom."""


def size(shared: Path, seed: int) -> Rows:
    """Remove from the errors what a potential on each atom explains; compare k meshes."""
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
            f"{cells}×{cells}: potential of each atom removed",
            {
                **_sizes(left),
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
