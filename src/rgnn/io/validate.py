"""Can we compute with this frame? Asked once, at the door; the answer is silence or one line."""

import numpy as np
from vesin import NeighborList

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Labels, Structure

CLOSEST_DISTANCE = 0.1
"""Two atoms nearer than this [Å] are one atom written twice."""

LARGEST_COORDINATE = 1e5
"""Beyond this [Å] a position is a unit or file error."""

LARGEST_FORCE = 1e4
"""Beyond this [eV/Å] a force is a unit or convergence error."""

LARGEST_ENERGY_PER_ATOM = 1e7
"""Beyond this [eV] not even all electrons of the heaviest element are that deep."""

LARGEST_STRESS = 100.0
"""Beyond this [eV/Å³] (16 TPa) a stress is in other units."""

SMALLEST_VOLUME_PER_ATOM = 0.1
"""Below this [Å³] a periodic cell is flat."""


def check_frame(frame: Frame, *, need_labels: bool) -> None:
    """Return nothing if the frame can be used, with energy and forces if `need_labels`.

    Raises
    ------
    InputError
        one line: the frame's source, what is wrong, and what to do about it.
    """
    problem = (
        _atoms_problem(frame.structure)
        or _cell_problem(frame.structure)
        or _distance_problem(frame.structure)
        or _label_problem(frame.labels, len(frame), need_labels)
    )
    if problem:
        raise InputError(f"{frame.source}: {problem}" if frame.source else problem)


def _atoms_problem(structure: Structure) -> str | None:
    positions, numbers = structure.positions, structure.numbers
    if not len(numbers):
        return "there are no atoms in it; remove the frame"
    unknown = np.flatnonzero((numbers < 1) | (numbers > 118))
    if unknown.size:
        return (
            f"atom {unknown[0]} is of no known element (number {numbers[unknown[0]]}); "
            "remove ghost and dummy atoms"
        )
    broken = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if broken.size:
        return f"the position of atom {broken[0]} is not a number; remove or recompute the frame"
    if np.abs(positions).max() > LARGEST_COORDINATE:
        atom = int(np.abs(positions).max(axis=1).argmax())
        return f"atom {atom} is {np.abs(positions[atom]).max():.3g} Å away; positions must be in Å"
    return None


def _cell_problem(structure: Structure) -> str | None:
    if not np.isfinite(structure.cell).all():
        return "the cell holds values that are not numbers; remove or repair the frame"
    if not structure.pbc.any():
        return None
    if structure.volume < SMALLEST_VOLUME_PER_ATOM * len(structure):
        return (
            f"the cell is periodic but its volume is {structure.volume:.3g} Å³ for "
            f"{len(structure)} atoms; give all cell vectors in Å, or set pbc to F"
        )
    return None


def _distance_problem(structure: Structure) -> str | None:
    pair = _coinciding_pair(structure)
    if pair is None:
        return None
    first, second, distance = pair
    if first == second:
        return f"the cell repeats after {distance:.3g} Å; cell vectors must be in Å"
    return (
        f"atoms {first} and {second} are {distance:.3g} Å apart (periodic images counted); "
        "remove one of them or the frame"
    )


def _coinciding_pair(structure: Structure) -> tuple[int, int, float] | None:
    """Return the closest pair of atoms below `CLOSEST_DISTANCE`, images included."""
    _, first, count = np.unique(structure.positions, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        # Found without a neighbour list: its size grows with the square of such a heap.
        atom = int(first[count > 1].min())
        same = np.flatnonzero((structure.positions == structure.positions[atom]).all(axis=1))
        return atom, int(same[1]), 0.0
    # A cutoff of 1 Å keeps the list's grid coarse; 0.1 Å would cost 14 ms a frame instead of 0.1.
    neighbours = NeighborList(cutoff=1.0, full_list=False, n_threads=1)
    i, j, distance = neighbours.compute(
        structure.positions, structure.cell, structure.pbc, quantities="ijd"
    )
    if not len(distance) or distance.min() >= CLOSEST_DISTANCE:
        return None
    closest = int(distance.argmin())
    atoms = sorted((int(i[closest]), int(j[closest])))
    return atoms[0], atoms[1], float(distance[closest])


def _label_problem(labels: Labels, n_atom: int, need_labels: bool) -> str | None:
    if need_labels and labels.forces is None:
        return "it has no forces; label it, or leave the frame out"
    if need_labels and labels.energy is None:
        return "it has no energy; label it, or leave the frame out"
    return (
        _energy_problem(labels.energy, n_atom)
        or _forces_problem(labels.forces)
        or _stress_problem(labels.stress)
    )


def _energy_problem(energy: float | None, n_atom: int) -> str | None:
    if energy is None:
        return None
    if not np.isfinite(energy):
        return f"its energy is {energy}; remove or recompute the frame"
    if abs(energy) > LARGEST_ENERGY_PER_ATOM * n_atom:
        return f"its energy is {energy:.3g} eV for {n_atom} atoms; energies must be in eV"
    return None


def _forces_problem(forces: np.ndarray | None) -> str | None:
    if forces is None:
        return None
    broken = np.flatnonzero(~np.isfinite(forces).all(axis=1))
    if broken.size:
        return f"the force on atom {broken[0]} is not a number; remove or recompute the frame"
    size = np.linalg.norm(forces, axis=1)
    if size.max() > LARGEST_FORCE:
        return (
            f"the force on atom {size.argmax()} is {size.max():.3g} eV/Å; forces must be in eV/Å, "
            "and frames that did not converge must go"
        )
    return None


def _stress_problem(stress: np.ndarray | None) -> str | None:
    if stress is None:
        return None
    if not np.isfinite(stress).all():
        return "its stress holds values that are not numbers; remove it or the frame"
    if np.abs(stress).max() > LARGEST_STRESS:
        return f"its stress reaches {np.abs(stress).max():.3g} eV/Å³; stress must be in eV/Å³"
    return None
