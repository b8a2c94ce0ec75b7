"""Several structures as one padded dense neighbour graph.

Row i of the dense layout lists the neighbours of atom i, grouped by their element: the columns
fall into one slot per element. Empty places hold a vector at the cutoff, where every radial
function is exactly 0, so padding never touches a result. Sizes are rounded up to a few buckets
because every new shape is compiled anew.
"""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.graph.neighbours import Pairs, pairs_within


class Graph(eqx.Module):
    """Atoms of several structures and their neighbours, padded to n_atom × n_neighbour."""

    species: Int[Array | np.ndarray, " n_atom"]
    neighbour: Int[Array | np.ndarray, "n_atom n_neighbour"]
    vector: Float[Array | np.ndarray, "n_atom n_neighbour 3"]
    pair_mask: Bool[Array | np.ndarray, "n_atom n_neighbour"]
    atom_mask: Bool[Array | np.ndarray, " n_atom"]
    structure: Int[Array | np.ndarray, " n_atom"]
    """Which structure an atom belongs to; padding atoms say 0 and are masked."""
    slots: tuple[int, ...] = eqx.field(static=True)
    """How many columns the neighbours of every element may take, in the order of elements."""

    @property
    def slices(self) -> list[slice]:
        """Return the columns that belong to every element."""
        ends = np.cumsum(self.slots)
        return [slice(int(e - w), int(e)) for e, w in zip(ends, self.slots, strict=True)]


def bucket(size: int) -> int:
    """Return the smallest of 0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, … that holds `size`."""
    step = max(4, 2 ** (max(size - 1, 1).bit_length() - 3))
    return -(-size // step) * step


def species_index(structure: Structure, elements: Sequence[int]) -> Int[np.ndarray, " n_atom"]:
    """Return the place of every atom's element in `elements` (sorted atomic numbers)."""
    table = np.asarray(elements)
    index = np.searchsorted(table, structure.numbers).clip(max=len(table) - 1)
    unknown = sorted(set(structure.numbers[table[index] != structure.numbers].tolist()))
    if unknown:
        raise InputError(
            f"elements with atomic numbers {unknown} were not in the training set "
            f"(known: {table.tolist()}); train on structures that contain them"
        )
    return index


def build(
    structures: Sequence[Structure],
    elements: Sequence[int],
    cutoff: float,
    *,
    n_atom: int | None = None,
    slots: tuple[int, ...] | None = None,
) -> Graph:
    """Return the disjoint union of `structures`, padded to the given sizes or to buckets."""
    species = [species_index(s, elements) for s in structures]
    pairs = [pairs_within(s, cutoff) for s in structures]
    needed = _widest(pairs, species, len(elements))
    atoms = sum(len(s) for s in structures)
    rows = max(4, bucket(atoms)) if n_atom is None else n_atom
    slots = tuple(bucket(w) for w in needed) if slots is None else slots
    if atoms > rows or any(n > w for n, w in zip(needed, slots, strict=True)):
        raise ValueError(f"{atoms} atoms × {needed} neighbours do not fit {rows} × {slots}")
    graph = _empty(rows, slots, cutoff)
    starts = np.cumsum((0, *slots))[:-1]
    first = 0
    for number, (index, pair) in enumerate(zip(species, pairs, strict=True)):
        last = first + len(index)
        graph.species[first:last] = index
        graph.atom_mask[first:last] = True
        graph.structure[first:last] = number
        row = pair.centre + first
        column = _places(pair, index, len(elements)) + starts[index[pair.neighbour]]
        graph.neighbour[row, column] = pair.neighbour + first
        graph.vector[row, column] = pair.vector
        graph.pair_mask[row, column] = True
        first = last
    return graph


def slots_for(
    structures: Sequence[Structure], elements: Sequence[int], cutoff: float
) -> tuple[int, ...]:
    """Return slots wide enough for every atom of `structures`."""
    widest = np.zeros(len(elements), int)
    for structure in structures:
        pair = [pairs_within(structure, cutoff)]
        widest = np.maximum(
            widest, _widest(pair, [species_index(structure, elements)], len(elements))
        )
    return tuple(bucket(int(w)) for w in widest)


def _places(
    pair: Pairs, species: Int[np.ndarray, " n_atom"], n_species: int
) -> Int[np.ndarray, " n_pair"]:
    """Return the running number of every pair among those of its centre and element."""
    group = pair.centre * n_species + species[pair.neighbour]
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return place


def _widest(
    pairs: Sequence[Pairs], species: Sequence[Int[np.ndarray, " n_atom"]], n_species: int
) -> list[int]:
    """Return the largest number of neighbours of every element that any atom has."""
    widest = np.zeros(n_species, int)
    for pair, index in zip(pairs, species, strict=True):
        group = pair.centre * n_species + index[pair.neighbour]
        count = np.bincount(group, minlength=len(index) * n_species)
        if len(index):
            widest = np.maximum(widest, count.reshape(len(index), n_species).max(axis=0))
    return [int(w) for w in widest]


def _empty(rows: int, slots: tuple[int, ...], cutoff: float) -> Graph:
    columns = sum(slots)
    vector = np.zeros((rows, columns, 3))
    vector[..., 0] = cutoff
    return Graph(
        species=np.zeros(rows, np.int32),
        neighbour=np.zeros((rows, columns), np.int32),
        vector=vector,
        pair_mask=np.zeros((rows, columns), bool),
        atom_mask=np.zeros(rows, bool),
        structure=np.zeros(rows, np.int32),
        slots=slots,
    )
