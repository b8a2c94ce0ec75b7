"""How often which array is read, and what is computed beside them.

A `Workload` is counted from shapes alone: the model is never run. One read is one input vector sent
as pulses through one matrix; derivatives are further reads (no array is read backwards).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rgnn.core.errors import InputError
from rgnn.graph.harmonics import coupling
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.trained_message import paths


@dataclass(frozen=True)
class ArrayReads:
    """Reads of one matrix for one structure."""

    name: str
    n_out: int
    n_in: int
    activations: int
    tangents: int
    part: bool = False
    """Whether these are inputs of another matrix in the list, which has the cells."""

    @property
    def reads(self) -> int:
        """Return all reads."""
        return self.activations + self.tangents

    @property
    def macs(self) -> int:
        """Return the multiply-accumulate operations that the reads stand for."""
        return self.reads * self.n_out * self.n_in


@dataclass(frozen=True)
class Workload:
    """Everything done for one structure: reads, digital operations, numbers in and out."""

    name: str
    arrays: tuple[ArrayReads, ...]
    digital_macs: int
    interface_bits: int
    n_atoms: int

    @property
    def reads(self) -> int:
        """Return all reads of all arrays."""
        return sum(array.reads for array in self.arrays)

    @property
    def macs(self) -> int:
        """Return the operations done in the arrays."""
        return sum(array.macs for array in self.arrays)


def force_workload(
    shapes: dict[str, list[tuple[int, int]]],
    *,
    n_species: int,
    n_radial: int,
    n_feature: int,
    n_atoms: int,
    n_neighbours: int,
    skip_columns: Sequence[int] = (),
    combined_degrees: Sequence[int] = (),
    channels: Sequence[tuple[int, int]] = (),
    messages: "Messages | None" = None,
    activation_reads: int = 1,
    derivative_reads: int = 1,
) -> Workload:
    """Return the work for energies and forces (an MD step) of one structure.

    `shapes` are the matrices of `reservoir.build.Blueprint`: every neighbour density of degree ℓ is
    2ℓ + 1 activation reads per atom. For forces every pair is read twice per degree (the radial
    functions and their slopes), on the word lines of the neighbour's element; scalars that travel
    with messages three times (their gradient). Digital: both contractions of these reads, products
    and readout, each once forward and twice for the gradient; `skip_columns` counts, by degree, the
    channels that products around the chip pick and contract in the same way, and functions of
    `combined_degrees` are combined before they drive the lines, those of every pair twice and those
    of every density. `channels` are, by degree, how many trained channels there are and of how many
    inputs: mixed and pulled back once for every atom, contracted with the radial functions of
    every pair twice; `messages` are trained ones, taken to reach as far as densities do. Every
    activation and derivative is read as often as the last two say.
    """
    if n_atoms < 1 or n_neighbours < 0:
        raise InputError(f"a structure needs atoms, got {n_atoms} with {n_neighbours} neighbours")
    pairs = n_atoms * n_neighbours
    counts = _Counts(activation_reads * n_atoms, activation_reads * pairs, derivative_reads * pairs)
    arrays, digital = [], 3 * 3 * n_feature * n_atoms
    for group, matrices in shapes.items():
        for degree, (n_out, n_in) in enumerate(matrices):
            if n_out == 0:
                continue
            arrays += _reads(group, degree, (n_out, n_in), n_species, counts)
            if group != "edge":
                digital += pairs * (2 * degree + 1) * (n_radial + 2 * n_out)
    for degree, picked in enumerate(skip_columns):
        digital += pairs * (2 * degree + 1) * 2 * picked
    for degree in combined_degrees:
        digital += (2 * pairs + (2 * degree + 1) * n_species * n_atoms) * n_radial**2
    digital += _mixed(channels, n_atoms, pairs, [n_radial] * len(channels))
    if messages is not None:
        heard = messages.channels
        digital += _mixed(heard, n_atoms, pairs, [messages.densities] * len(heard))
        digital += 2 * n_atoms * (messages.telling + messages.vectors + messages.coupling)
    bits = 32 * (4 * n_atoms + 3 * n_atoms + 10)
    return Workload("energies and forces", tuple(arrays), digital, bits, n_atoms)


class Messages(NamedTuple):
    """Sizes of trained messages; every product below is done once forward and once back."""

    channels: Sequence[tuple[int, int]]
    """How many channels of what is heard, of how many inputs, by degree."""
    densities: int
    """Inputs a pair contributes to: values that are said times radial functions."""
    telling: int
    """Products by which an atom makes its scalars."""
    vectors: int = 0
    """The same for its vectors."""
    coupling: int = 0
    """The same for what turns heard components into vectors and tensors."""


def trained_messages(config: ReservoirConfig, beside: Beside) -> Messages:
    """Return the sizes of the trained messages of a network."""
    m, turned = config.message, paths(config.lmax) if config.message.vectors else []
    inputs = [m.scalars * m.n_radial] * (config.lmax + 1)
    for _, degree in turned:
        inputs[degree] += m.vectors * m.n_radial
    coupled = sum(int(np.count_nonzero(coupling(low, 1, degree))) for low, degree in turned)
    return Messages(
        channels=[(config.trained.channels, own) for own in inputs],
        densities=(m.scalars + 3 * m.vectors) * m.n_radial,
        telling=int(np.prod(beside.telling.shape[1:])),
        vectors=3 * int(np.prod(beside.vectors.shape[1:])),
        coupling=coupled * m.vectors * m.n_radial,
    )


class _Counts(NamedTuple):
    """How often one vector is read, every repetition counted."""

    by_atom: int
    by_pair: int
    slopes: int
    """One derivative of every pair."""


def _reads(
    group: str, degree: int, shape: tuple[int, int], n_species: int, counts: _Counts
) -> list[ArrayReads]:
    """Return the reads of one matrix."""
    n_out, n_in = shape
    if group == "edge":  # radial functions of every pair, then their slopes
        return [ArrayReads(group, n_out, n_in, counts.by_pair, counts.slopes)]
    scalar = group == "projection"
    name = f"{group} l={degree}"
    activations = counts.by_atom * (1 if scalar else 2 * degree + 1)
    tangents = counts.slopes * (3 if scalar else 2)
    if group in ("density", "source"):
        # Only the word lines of one element are driven for the slope of one pair.
        return [
            ArrayReads(name, n_out, n_in, activations, 0),
            ArrayReads(f"{name}, slopes", n_out, n_in // n_species, 0, tangents),
        ]
    return [ArrayReads(name, n_out, n_in, activations, tangents)]


def _mixed(
    channels: Sequence[tuple[int, int]], n_atoms: int, pairs: int, by_pair: Sequence[int]
) -> int:
    """Return the operations of channels (how many, of how many inputs) of every degree; a pair
    contributes to `by_pair` of the inputs."""
    return sum(
        2 * (2 * degree + 1) * (n_atoms * count * inputs + pairs * own)
        for degree, ((count, inputs), own) in enumerate(zip(channels, by_pair, strict=True))
    )


def macros(shapes: Sequence[tuple[int, int]], *, rows: int = 512, columns: int = 512) -> int:
    """Return how many macros hold matrices (n_out, n_in) as pairs, without counting leftovers."""
    cells = sum(2 * n_out * n_in for n_out, n_in in shapes)
    return max(1, -(-cells // (rows * columns)))
