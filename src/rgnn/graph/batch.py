"""A structure as a padded dense neighbour graph.

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
from rgnn.graph.neighbours import Pairs


class Graph(eqx.Module):
    """Atoms and their neighbours, padded to n_atom × n_neighbour."""

    species: Int[Array | np.ndarray, " n_atom"]
    neighbour: Int[Array | np.ndarray, "n_atom n_neighbour"]
    vector: Float[Array | np.ndarray, "n_atom n_neighbour 3"]
    pair_mask: Bool[Array | np.ndarray, "n_atom n_neighbour"]
    atom_mask: Bool[Array | np.ndarray, " n_atom"]
    slots: tuple[int, ...] = eqx.field(static=True)
    """How many columns the neighbours of every element may take, in the order of elements."""

    @property
    def slices(self) -> list[slice]:
        """Return the columns that belong to every element."""
        ends = np.cumsum(self.slots)
        return [slice(int(e - w), int(e)) for e, w in zip(ends, self.slots, strict=True)]


ROWS = 8
"""Sizes a doubling for atoms, whose number mostly stays the same."""


def bucket(size: int, per_doubling: int = 4) -> int:
    """Return the smallest multiple of 4 that holds `size`, of larger steps where there would be
    more than `per_doubling` sizes from one power of 2 to the next: 0, 4, 8, … 32, 40, 48, … for 4.
    """
    step = max(4, 2 ** (max(size - 1, 1).bit_length() - 1) // per_doubling)
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
    structure: Structure,
    pairs: Pairs,
    elements: Sequence[int],
    *,
    n_atom: int | None = None,
    slots: tuple[int, ...] | None = None,
) -> Graph:
    """Return `structure` and its pairs, padded to the given sizes or to buckets."""
    species = species_index(structure, elements)
    needed = slots_for(structure, pairs, elements)
    rows = max(4, bucket(len(species), ROWS)) if n_atom is None else n_atom
    slots = needed if slots is None else slots
    if len(species) > rows or any(n > w for n, w in zip(needed, slots, strict=True)):
        raise ValueError(f"{len(species)} atoms, {needed} neighbours do not fit {rows}, {slots}")
    graph = _empty(rows, slots, pairs.cutoff)
    graph.species[: len(species)] = species
    graph.atom_mask[: len(species)] = True
    element = species[pairs.neighbour]
    starts = np.cumsum((0, *slots))[:-1]
    column = _places(pairs.centre, element, len(elements)) + starts[element]
    graph.neighbour[pairs.centre, column] = pairs.neighbour
    graph.vector[pairs.centre, column] = pairs.vector
    graph.pair_mask[pairs.centre, column] = True
    return graph


def slots_for(structure: Structure, pairs: Pairs, elements: Sequence[int]) -> tuple[int, ...]:
    """Return slots wide enough for the neighbours of every atom."""
    species = species_index(structure, elements)
    group = pairs.centre * len(elements) + species[pairs.neighbour]
    count = np.bincount(group, minlength=len(species) * len(elements))
    widest = count.reshape(-1, len(elements)).max(axis=0, initial=0)
    return tuple(bucket(int(w)) for w in widest)


def _places(
    centre: Int[np.ndarray, " n_pair"], element: Int[np.ndarray, " n_pair"], n_species: int
) -> Int[np.ndarray, " n_pair"]:
    """Return the running number of every pair among those of its centre and element."""
    group = centre * n_species + element
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return place


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
        slots=slots,
    )
