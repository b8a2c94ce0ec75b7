"""What is in the data, in one table: looked at before fitting, it explains most surprises after."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float
from vesin import NeighborList

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Structure
from rgnn.core.units import EV_PER_A3_IN_GPA

REACH = 3.0
"""Closest pairs are looked for up to this distance [Å]."""


@dataclass(frozen=True)
class Spread:
    """Smallest, mean and largest value of a quantity, and its standard deviation."""

    low: float
    mean: float
    high: float
    std: float

    def __str__(self) -> str:
        if self.high - self.low < 1e-6 * max(abs(self.high), 1e-12):
            return f"{self.mean:.6g}"
        return f"{self.mean:.6g} ± {self.std:.3g} ({self.low:.6g} to {self.high:.6g})"


@dataclass(frozen=True)
class Summary:
    """Counts, ranges and extremes of a set of frames; `None` where nothing is known."""

    n_frame: int
    n_atom: int
    atoms_per_frame: Spread
    species: dict[str, int]
    """Atoms of each element, all frames together."""
    n_composition: int
    n_periodic: int
    """Frames that are periodic in at least one direction."""
    volume_per_atom: Spread | None
    """[Å³], of periodic frames."""
    n_energy: int
    energy_per_atom: Spread | None
    """[eV]"""
    n_forces: int
    force_rms: float | None
    """Root mean square over all force components [eV/Å]."""
    force_largest: float | None
    """Length of the longest force [eV/Å]."""
    force_largest_at: str
    """Frame and atom of the longest force."""
    net_force_largest: float | None
    """Largest component of the sum of forces over a frame [eV/Å]; zero for perfect labels."""
    n_stress: int
    pressure: Spread | None
    """[GPa], positive under compression."""
    closest: dict[str, float]
    """Smallest distance [Å] of each pair of elements, those nearer than `REACH`."""

    def rows(self) -> list[tuple[str, str]]:
        """Return name and value of each line of a table, without what is not known."""
        species = ", ".join(f"{symbol} {count}" for symbol, count in self.species.items())
        closest = ", ".join(f"{pair} {distance:.2f}" for pair, distance in self.closest.items())
        rows = [
            ("frames", f"{self.n_frame} ({self.n_periodic} periodic)"),
            ("atoms", f"{self.n_atom} ({self.atoms_per_frame} a frame)"),
            ("elements", f"{species} in {self.n_composition} composition(s)"),
            ("volume per atom (Å³)", self.volume_per_atom),
            ("energy per atom (eV)", self.energy_per_atom),
            ("force, rms (eV/Å)", _digits(self.force_rms)),
            ("force, largest (eV/Å)", _digits(self.force_largest, self.force_largest_at)),
            ("net force, largest (eV/Å)", _digits(self.net_force_largest)),
            ("pressure (GPa)", self.pressure),
            (f"closest pairs (Å, below {REACH:g})", closest or None),
            ("labels", f"{self.n_energy} energies, {self.n_forces} forces, {self.n_stress} stress"),
        ]
        return [(name, str(value)) for name, value in rows if value is not None]


def describe(frames: Sequence[Frame]) -> Summary:
    """Return what is in the frames."""
    if not frames:
        raise InputError("no frames to describe")
    structures = [frame.structure for frame in frames]
    numbers = np.concatenate([s.numbers for s in structures])
    energies = [f.labels.energy / len(f) for f in frames if f.labels.energy is not None]
    stresses = [f.labels.stress for f in frames if f.labels.stress is not None]
    pressures = [-np.trace(stress) / 3 * EV_PER_A3_IN_GPA for stress in stresses]
    periodic = [s for s in structures if s.pbc.any()]
    force_largest, force_largest_at = _largest_force(frames)
    forces = [f.labels.forces for f in frames if f.labels.forces is not None]
    return Summary(
        n_frame=len(frames),
        n_atom=len(numbers),
        atoms_per_frame=_spread([len(s) for s in structures]),
        species={
            chemical_symbols[z]: int(n)
            for z, n in zip(*np.unique(numbers, return_counts=True), strict=True)
        },
        n_composition=len({tuple(sorted(s.numbers.tolist())) for s in structures}),
        n_periodic=len(periodic),
        volume_per_atom=_spread([s.volume / len(s) for s in periodic]) if periodic else None,
        n_energy=len(energies),
        energy_per_atom=_spread(energies) if energies else None,
        n_forces=len(forces),
        force_rms=float(np.sqrt(np.mean(np.concatenate(forces) ** 2))) if forces else None,
        force_largest=force_largest,
        force_largest_at=force_largest_at,
        net_force_largest=max(map(_net_force, forces), default=None),
        n_stress=len(stresses),
        pressure=_spread(pressures) if pressures else None,
        closest=_closest_pairs(structures),
    )


def _spread(values: Sequence[float | int]) -> Spread:
    low, mean, high, std = (float(f(values)) for f in (np.min, np.mean, np.max, np.std))
    return Spread(low, mean, high, std)


def _digits(value: float | None, where: str = "") -> str | None:
    if value is None:
        return None
    return f"{value:.4g} ({where})" if where else f"{value:.4g}"


def _largest_force(frames: Sequence[Frame]) -> tuple[float | None, str]:
    """Return the length of the longest force and the frame and atom it acts on."""
    largest, where = None, ""
    for frame in frames:
        if frame.labels.forces is None:
            continue
        lengths = np.linalg.norm(frame.labels.forces, axis=1)
        if largest is None or lengths.max() > largest:
            largest = float(lengths.max())
            where = f"{frame.source}, atom {int(lengths.argmax())}"
    return largest, where


def _net_force(forces: Float[np.ndarray, "n_atom 3"]) -> float:
    return float(np.abs(forces.sum(axis=0)).max())


def _closest_pairs(structures: Sequence[Structure]) -> dict[str, float]:
    """Return the smallest distance of each pair of elements, lighter first, images included."""
    smallest = np.full((119, 119), np.inf)
    neighbours = NeighborList(cutoff=REACH, full_list=False, n_threads=1)
    for structure in structures:
        i, j, distance = neighbours.compute(
            structure.positions, structure.cell, structure.pbc, quantities="ijd"
        )
        pair = np.sort(structure.numbers[np.stack([i, j]).astype(int)], axis=0)
        np.minimum.at(smallest, tuple(pair), distance)
    return {
        f"{chemical_symbols[a]}-{chemical_symbols[b]}": float(smallest[a, b])
        for a, b in np.argwhere(np.isfinite(smallest))
    }
