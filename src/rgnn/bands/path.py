"""Paths through the Brillouin zone, by the names of their corners."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure

_TOLERANCES = (1e-3, 1e-2, 0.05, 0.2)
"""Within which a lattice is recognised: strained cells keep the names of what they came from."""


@dataclass(frozen=True, eq=False)
class Path:
    """k points along a path, how far along they lie [1/Å], and where its corners are."""

    k: Float[np.ndarray, "n_k 3"]
    length: Float[np.ndarray, " n_k"]
    ticks: tuple[tuple[float, str], ...] = ()


def named(structure: Structure, names: str, n_points: int = 120) -> Path:
    """Return the path through the special points `names`, e.g. GKMG, of the structure's lattice.

    A strained cell may be named after the lattice it came from; its corners are then taken at the
    same fractional coordinates.
    """
    corners = _split(names)
    if len(corners) < 2:
        raise InputError(f"path '{names}': at least two corners are needed, e.g. GKMG")
    points = _corners(structure, corners)
    labels = ["Γ" if name == "G" else name for name in corners]
    return between([points[name] for name in corners], labels, structure.cell, n_points)


def _corners(structure: Structure, names: list[str]) -> dict[str, np.ndarray]:
    """Return the special points of the strictest lattice that has all `names`."""
    if not structure.pbc.any():
        raise InputError("a molecule has no bands; compare its orbital energies instead")
    candidates = [lattice.points for lattice in _lattices(structure)]
    for points in candidates:
        if set(names) <= set(points):
            return points
    known = candidates[0] if candidates else {}
    missing = [name for name in names if name not in known]
    raise InputError(
        f"unknown corner '{(missing or names)[0]}'; this lattice has "
        f"{', '.join(sorted(known)) or 'none that are known'}"
    )


def between(corners: list[np.ndarray], labels: list[str], cell: np.ndarray, n_points: int) -> Path:
    """Return about `n_points` points along straight lines between fractional corners."""
    steps = np.diff(np.array(corners), axis=0)
    lengths = np.linalg.norm(steps @ _reciprocal(cell), axis=1)
    counts = np.maximum(np.round(n_points * lengths / lengths.sum()).astype(int), 2)
    parts = [
        a + np.arange(n)[:, None] / n * step
        for a, step, n in zip(corners[:-1], steps, counts, strict=True)
    ]
    k = np.concatenate([*parts, np.array(corners[-1:])])
    positions = np.concatenate([[0.0], np.cumsum(lengths)])
    return Path(k, along(k, cell), tuple(zip(positions.tolist(), labels, strict=True)))


def along(k: Float[np.ndarray, "n_k 3"], cell: np.ndarray) -> Float[np.ndarray, " n_k"]:
    """Return the distance [1/Å] travelled through reciprocal space at every point."""
    steps = np.linalg.norm(np.diff(k, axis=0) @ _reciprocal(cell), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def from_points(k: Float[np.ndarray, "n_k 3"], structure: Structure) -> Path:
    """Return the path through given points; corners are where it turns."""
    cell = structure.cell if structure.cell.any() else np.eye(3)
    length = along(k, cell)
    steps = np.diff(k, axis=0) @ _reciprocal(cell)
    moving = np.linalg.norm(steps, axis=1) > 1e-9
    unit = steps / np.maximum(np.linalg.norm(steps, axis=1), 1e-12)[:, None]
    turns = [0]
    for n in range(1, len(steps)):
        if not moving[n] or (moving[n - 1] and unit[n] @ unit[n - 1] < 0.999):
            turns.append(n)
    corners = [*turns, len(k) - 1]
    names = _labels(k[corners], structure)
    return Path(k, length, tuple(zip(length[corners].tolist(), names, strict=True)))


def _shortest(point: np.ndarray, cell: np.ndarray) -> float:
    """Return the length [1/Å] of a k point's shortest equivalent, which tells corners apart."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    near = point - np.round(point) + shifts
    return float(np.linalg.norm(near @ _reciprocal(cell), axis=1).min())


def _reciprocal(cell: np.ndarray) -> np.ndarray:
    return 2 * np.pi * np.linalg.pinv(cell).T


def _labels(points: Float[np.ndarray, "n 3"], structure: Structure) -> list[str]:
    """Return names of special points, all of the strictest lattice that knows most of them."""
    unknown = _Lattice({}, structure.cell, "G")
    named = [[n.name(point) for point in points] for n in [*_lattices(structure), unknown]]
    return max(named, key=lambda names: sum("(" not in name for name in names))


@dataclass(frozen=True, eq=False)
class _Lattice:
    """Special points of a Bravais lattice in the structure's own k, and the ideal cell."""

    points: dict[str, np.ndarray]
    cell: Float[np.ndarray, "3 3"]
    usual: str
    """Corners of the usual path."""

    def name(self, point: Float[np.ndarray, "3"]) -> str:
        """Return the name of the special point with the same shortest length, or coordinates."""
        if np.abs(point).max() < 1e-6:
            return "Γ"
        own = _shortest(point, self.cell)
        for name, other in self.points.items():
            if abs(_shortest(other, self.cell) - own) < 1e-3 * own:
                return name
        return "(" + " ".join(f"{x:.3g}" for x in point) + ")"


def _lattices(structure: Structure) -> list[_Lattice]:
    """Return the lattices the cell has within one tolerance after the other, strictest first."""
    from ase.cell import Cell
    from ase.lattice import identify_lattice

    found = []
    for tolerance in _TOLERANCES if structure.pbc.any() else ():
        try:
            lattice, operation = identify_lattice(
                Cell(structure.cell), eps=tolerance, pbc=structure.pbc.tolist()
            )
        except (RuntimeError, ValueError):
            continue
        own = np.linalg.inv(operation)
        points = {name: own @ point for name, point in lattice.get_special_points().items()}
        usual = lattice.special_path.split(",")[0]
        found.append(_Lattice(points, own @ lattice.tocell().array, usual))
    return found


def _split(names: str) -> list[str]:
    """Return the corners in `names`, where a digit belongs to the letter before it."""
    corners: list[str] = []
    for letter in names.replace("-", "").replace(" ", "").upper().replace("Γ", "G"):
        if letter.isdigit() and corners:
            corners[-1] += letter
        else:
            corners.append(letter)
    return corners


def default_names(structure: Structure) -> str:
    """Return the usual path of the structure's lattice, e.g. GMKG: its first connected part."""
    for lattice in _lattices(structure):
        return lattice.usual
    raise InputError("the lattice is not recognised; name a path with --path")
