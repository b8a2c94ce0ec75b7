"""The atoms around a point – an atom or the middle of a bond – expanded in a local basis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from rgnn.core.structure import Structure
from rgnn.tasks.hamiltonian.angular import harmonics
from rgnn.tasks.hamiltonian.config import DensityConfig


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Padded lists: `index` of the atom, `image` it stands in, `vector` [Å] from the point."""

    index: Int[np.ndarray, "n_point n_near"]
    image: Int[np.ndarray, "n_point n_near 3"]
    vector: Float[np.ndarray, "n_point n_near 3"]
    there: Bool[np.ndarray, "n_point n_near"]


def around(
    structure: Structure, points: Float[np.ndarray, "n_point 3"], cutoff: float
) -> Surroundings:
    """Return all atoms, periodic images included, within `cutoff` [Å] of each point."""
    images = _images(structure, points, cutoff)
    places = (structure.positions + (images @ structure.cell)[:, None]).reshape(-1, 3)
    low, high = points.min(axis=0) - cutoff, points.max(axis=0) + cutoff
    near = np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))
    found = KDTree(places[near]).query_ball_point(points, cutoff, return_sorted=True)
    counts = np.array([len(f) for f in found])
    flat = np.zeros((len(points), max(int(counts.max(initial=0)), 1)), int)
    there = np.arange(flat.shape[1]) < counts[:, None]
    if there.any():
        flat[there] = near[np.concatenate([np.asarray(f, int) for f in found])]
    vector = np.where(there[..., None], places[flat] - points[:, None], 1.0)
    n_atom = len(structure)
    return Surroundings(flat % n_atom, images[flat // n_atom], vector, there)


def _images(structure: Structure, points: np.ndarray, cutoff: float) -> np.ndarray:
    """Return the lattice vectors whose copy of the cell may hold an atom near a point."""
    periodic = np.asarray(structure.pbc)
    if not periodic.any():
        return np.zeros((1, 3), int)
    cell = complete_cell(structure)
    inverse = np.linalg.inv(cell)
    reach = cutoff * np.linalg.norm(inverse, axis=0)
    ends, atoms = points @ inverse, structure.positions @ inverse
    low = np.floor(ends.min(axis=0) - reach - atoms.max(axis=0)) * periodic
    high = np.ceil(ends.max(axis=0) + reach - atoms.min(axis=0)) * periodic
    ranges = [np.arange(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)


def complete_cell(structure: Structure) -> Float[np.ndarray, "3 3"]:
    """Return the cell with unit vectors of 1 Å put where a non-periodic direction has none."""
    cell = structure.cell.copy()
    for axis in range(3):
        if not cell[axis].any():
            normal = np.cross(cell[axis - 2], cell[axis - 1])
            cell[axis] = normal / np.linalg.norm(normal) if normal.any() else np.eye(3)[axis]
    return cell


def radial(
    distance: Float[np.ndarray, "*batch"], cutoff: float, count: int
) -> Float[np.ndarray, "*batch n_radial"]:
    """Return sin(kπx)/x √(1/k), x = r / cutoff, times an envelope that ends smoothly at 1.

    The envelope (1 − x)³(1 + 3x + 6x²) has two vanishing derivatives at both ends.
    """
    x = np.clip(distance / cutoff, 1e-9, 1.0)[..., None]
    k = np.arange(1, count + 1)
    envelope = (1 - x) ** 3 * (1 + 3 * x + 6 * x**2)
    return np.sin(k * np.pi * x) / x / np.sqrt(k) * envelope


def density(
    near: Surroundings,
    sources: Float[np.ndarray, "n_atom n_source"],
    config: DensityConfig,
    frames: Float[np.ndarray, "n_point 3 3"] | None = None,
) -> list[Float[np.ndarray, "n_point _ _"]]:
    """Return Σ_k q_s(k) R_n(r_k) Y_lm(r_k) for l = 0 … lmax; channels are (source s, n).

    With `frames` the harmonics are taken in a frame of its own for every point.
    """
    distance = np.linalg.norm(near.vector, axis=-1)
    unit = near.vector / np.maximum(distance, 1e-9)[..., None]
    if frames is not None:
        unit = np.einsum("pxy,pky->pkx", frames, unit)
    angular = harmonics(unit, lmax=config.lmax)
    weights = radial(distance, config.cutoff, config.n_radial) * near.there[..., None]
    emitted = sources[near.index][..., None] * weights[..., None, :]
    channels = np.swapaxes(emitted.reshape(*distance.shape, -1), 1, 2)
    return [channels @ y for y in angular]


def atom_density(
    structure: Structure, sources: Float[np.ndarray, "n_atom n_source"], config: DensityConfig
) -> list[Float[np.ndarray, "n_atom _ _"]]:
    """Return the density of what the other atoms emit around every atom."""
    near = around(structure, structure.positions, config.cutoff)
    own = np.linalg.norm(near.vector, axis=-1) < 1e-6
    others = Surroundings(near.index, near.image, near.vector, near.there & ~own)
    return density(others, sources, config)


def one_hot(structure: Structure, elements: Sequence[int]) -> Float[np.ndarray, "n_atom n_element"]:
    """Return 1 where an atom is of an element, else 0."""
    return (structure.numbers[:, None] == np.asarray(elements)).astype(float)
