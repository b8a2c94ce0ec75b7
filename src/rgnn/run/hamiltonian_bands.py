"""Bands of a structure from a fitted model: figures, numbers and files for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.bands import dos as densities
from rgnn.bands import errors, fermi, kspace, path
from rgnn.bands.ghosts import FLOOR, GhostFilter
from rgnn.bands.reference import DENSE_LIMIT
from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io import siesta
from rgnn.io.hamiltonian_frames import HamiltonianFrame, write_npz
from rgnn.io.hamiltonians import read
from rgnn.plot import bands as plot
from rgnn.run.directory import to_json
from rgnn.run.hamiltonian import Progress, load
from rgnn.tasks.hamiltonian import metrics as element_errors

_NEAR_FERMI = 40
"""Levels computed around the Fermi level of structures too large for all of them."""


@dataclass(frozen=True)
class Bands:
    """What `rgnn hamiltonian bands` is asked to do."""

    model: Path
    structure: str
    out: Path
    names: str | None = None
    reference: Path | None = None
    n_points: int = 120
    with_dos: bool = True
    overlap_floor: float = FLOOR
    """Ghost states are looked for among overlap eigenvalues below this; 0: nowhere."""


def draw(order: Bands, progress: Progress | None = None) -> dict[str, Any]:
    """Write bands.npz, bands.svg, bands.png, hamiltonian.npz, H.TSHS and bands.json.

    Returns what bands.json holds.
    """
    model = load(order.model)
    reference = None if order.reference is None else read(order.reference)
    structure = read_structure(order.structure)
    if reference is not None:
        _check_same(structure, reference)
    predicted = model.predict_frame(structure)
    order.out.mkdir(parents=True, exist_ok=True)
    write_npz(order.out / "hamiltonian.npz", predicted)
    siesta.write_sisl(order.out / "H.TSHS", predicted)
    if predicted.sizes.sum() > DENSE_LIMIT:
        return _levels(order, predicted)
    return _bands(order, predicted, reference, progress)


def read_structure(entry: str) -> Structure:
    """Return the structure in a Hamiltonian frame or in any file ASE reads (its last frame)."""
    location = Path(entry)
    if location.name.lower().endswith((".npz", ".scfout", ".scfout.gz", ".hsx", ".tshs")):
        return read(location).structure
    from rgnn.io.structures import read_frames

    return read_frames(entry, need_labels=False)[-1].structure


def _check_same(structure: Structure, reference: HamiltonianFrame) -> None:
    other = reference.structure
    if len(structure) != len(other) or not np.array_equal(structure.numbers, other.numbers):
        raise InputError(f"{reference.source}: the reference holds other atoms than the structure")


def _bands(
    order: Bands,
    predicted: HamiltonianFrame,
    reference: HamiltonianFrame | None,
    progress: Progress | None,
) -> dict[str, Any]:
    along = _path(order, predicted.structure, reference)
    zero, level = _zero(predicted, reference)
    ghosts = GhostFilter(level - zero + errors.WINDOW, order.overlap_floor)
    energies = zero + kspace.all_spins(predicted, along.k, ghosts=ghosts, progress=progress)
    found: dict[str, Any] = {
        "fermi_eV": level,
        "gauge_eV": zero,
        "n_k": len(along.k),
        "ghost_states_removed": int(np.isinf(energies).sum()),
    }
    exact = _reference_bands(along, reference)
    if exact is not None:
        found |= errors.compare(exact, energies, level).summary()
    grid = states = None
    if order.with_dos and predicted.structure.pbc.any():
        mesh = kspace.mesh_for(predicted)
        levels = zero + kspace.all_spins(predicted, mesh, ghosts=ghosts, progress=progress)
        grid = np.linspace(level - 25.0, level + 10.0, 1401)
        states = densities.density_of_states(levels, grid)
        found["electrons"] = fermi.count_electrons(levels, level)
    _save(order.out, along, energies, exact, level, grid, states)
    figure = plot.bands(
        along.length, energies, level, along.ticks, reference=exact, grid=grid, dos=states
    )
    for suffix in ("svg", "png"):
        figure.savefig(order.out / f"bands.{suffix}", dpi=150)
    (order.out / "bands.json").write_text(to_json(found), encoding="utf-8")
    return found


def _path(order: Bands, structure: Structure, reference: HamiltonianFrame | None) -> path.Path:
    """Return the named path, else the k points of the reference, else a path of the lattice."""
    if order.names is None and reference is not None and reference.bands is not None:
        return path.from_points(reference.bands.k, structure)
    if not structure.pbc.any():
        return path.Path(np.zeros((1, 3)), np.zeros(1), ((0.0, "Γ"),))
    return path.named(structure, order.names or path.default_names(structure), order.n_points)


def _zero(predicted: HamiltonianFrame, reference: HamiltonianFrame | None) -> tuple[float, float]:
    """Return what to add to predicted energies, and the Fermi level then [eV]."""
    if reference is None or reference.fermi is None:
        return 0.0, predicted.fermi if predicted.fermi is not None else 0.0
    return element_errors.compare(reference, predicted).gauge, reference.fermi


def _reference_bands(along: path.Path, reference: HamiltonianFrame | None) -> np.ndarray | None:
    """Return the bands of all spins of the reference, as its DFT code wrote them if it did."""
    if reference is None:
        return None
    own = reference.bands if reference.n_spin == 1 else None
    if own is not None and np.array_equal(own.k, along.k):
        return own.energy[None]
    return kspace.all_spins(reference, along.k)


def _save(out: Path, along: path.Path, energies, exact, level, grid, states) -> None:
    arrays = {"k": along.k, "length_per_A": along.length, "energy_eV": energies, "fermi_eV": level}
    optional = {"reference_eV": exact, "dos_energy_eV": grid, "dos_per_eV": states}
    arrays |= {name: a for name, a in optional.items() if a is not None}
    np.savez_compressed(out / "bands.npz", allow_pickle=False, **arrays)


def _levels(order: Bands, predicted: HamiltonianFrame) -> dict[str, Any]:
    """Write the levels around the Fermi level at Γ of a structure of thousands of orbitals."""
    level = predicted.fermi if predicted.fermi is not None else 0.0
    near = kspace.energies_near(predicted, np.zeros(3), level, _NEAR_FERMI)
    arrays = {"energy_eV": near.energy, "ghost": near.ghosts}
    np.savez_compressed(order.out / "levels.npz", allow_pickle=False, **arrays)
    found = {
        "fermi_eV": level,
        "n_orbitals": int(predicted.sizes.sum()),
        "n_levels": len(near.energy),
        "ghost_levels": int(near.ghosts.sum()),
        "lowest_eV": float(near.energy[0]),
        "highest_eV": float(near.energy[-1]),
    }
    (order.out / "bands.json").write_text(to_json(found), encoding="utf-8")
    return found
