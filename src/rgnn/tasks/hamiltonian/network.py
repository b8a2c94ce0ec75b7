"""From a structure to the features of its bonds and atoms: densities, messages, frozen network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex, Float, PRNGKeyArray

from rgnn.core.structure import Structure
from rgnn.crossbar.build import cut, macros_needed
from rgnn.device.chip import Chip
from rgnn.tasks.hamiltonian import reservoir
from rgnn.tasks.hamiltonian.bonds import Bonds
from rgnn.tasks.hamiltonian.config import DensityConfig, HamiltonianConfig
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.reservoir import Bank, Shapes
from rgnn.tasks.hamiltonian.scaling import AtomScaling, BondScaling, Densities
from rgnn.tasks.hamiltonian.states import States, bond_states, state_sizes
from rgnn.tasks.hamiltonian.surroundings import atom_density, one_hot

Features = dict[Channel, Complex[np.ndarray, "n_bond _"]]

CHUNK = 1024
"""Bonds worked on at a time."""


@dataclass(frozen=True, eq=False)
class AtomDensities:
    """What surrounds every atom, scaled for the chip."""

    far: Densities
    """With a long reach."""
    near: Densities
    """With a short reach, for products."""
    heard: Densities
    """What the neighbours emit."""


@dataclass(frozen=True)
class Layout:
    """Sizes that follow from the data: which elements, and which angular momenta."""

    elements: tuple[int, ...]
    l_orbital: int
    """Largest l of an orbital."""

    @property
    def m_max(self) -> int:
        """Return the largest |m| in a block in the frame of its bond."""
        return 2 * self.l_orbital

    def channels(self, density: DensityConfig, sources: int = 1) -> tuple[int, int]:
        """Return how many channels a density has, and its largest degree."""
        return sources * len(self.elements) * density.n_radial, density.lmax

    def shapes(self, config: HamiltonianConfig) -> Shapes:
        """Return the matrices of the whole network, by name."""
        far, near = self.channels(config.around_atom), self.channels(config.near_atom)
        heard = self.channels(message_density(config), config.message.sources)
        sizes = state_sizes(far, self.channels(config.around_bond), m_max=self.m_max)
        return {
            SOURCE: (config.message.sources, near[0]),
            **reservoir.bond_shapes(sizes, config.bond, self.m_max),
            **reservoir.atom_shapes((far[0] + heard[0], far[1]), near, self.m_max, config.atom),
        }

    def bank(self, config: HamiltonianConfig, chip: Chip) -> Bank:
        """Return all matrices, cut out of `chip`."""
        shapes = self.shapes(config)
        blocks = cut(chip, list(shapes.values()))
        return Bank.build(
            shapes,
            blocks,
            config.periphery,
            limit=config.limit,
            product_limit=config.product_limit,
        )


SOURCE = "atom.source"
"""The matrix that mixes what an atom emits."""


def message_density(config: HamiltonianConfig) -> DensityConfig:
    """Return the expansion in which messages arrive."""
    return DensityConfig(config.message.cutoff, config.message.n_radial, config.around_atom.lmax)


@dataclass(frozen=True, eq=False)
class Network:
    """The frozen network with its scaling: features of bonds and atoms."""

    layout: Layout
    config: HamiltonianConfig
    bank: Bank
    atom_scaling: AtomScaling
    bond_scaling: BondScaling

    @property
    def n_frozen(self) -> int:
        """Return how many entries the matrices on the chip have."""
        return sum(n_out * n_in for n_out, n_in in self.layout.shapes(self.config).values())

    @property
    def n_scaling(self) -> int:
        """Return how many numbers scale its inputs."""
        return self.atom_scaling.size + self.bond_scaling.size

    def densities(self, structure: Structure, key: PRNGKeyArray | None) -> AtomDensities:
        """Return the scaled densities around every atom."""
        return scaled_densities(
            structure, self.layout.elements, self.atom_scaling, self.bank, self.config, key
        )

    def bonds(
        self, structure: Structure, bonds: Bonds, densities: AtomDensities, key: PRNGKeyArray | None
    ) -> Features:
        """Return the features of `bonds`."""
        states = raw_states(structure, bonds, densities, self.layout, self.config)
        return reservoir.bond_features(
            self.bond_scaling.apply(states), self.bank, self.config.bond, self.layout.m_max, key
        )

    def atoms(
        self, densities: AtomDensities, key: PRNGKeyArray | None
    ) -> list[Float[np.ndarray, "n_atom _ _"]]:
        """Return the features of all atoms for each degree."""
        pairs = zip(densities.far, densities.heard, strict=True)
        far = [np.concatenate(pair, axis=1) for pair in pairs]
        return reservoir.atom_features(far, densities.near, self.bank, self.layout.m_max, key)


def scaled_densities(
    structure: Structure,
    elements: Sequence[int],
    scaling: AtomScaling,
    bank: Bank,
    config: HamiltonianConfig,
    key: PRNGKeyArray | None,
) -> AtomDensities:
    """Return the densities around every atom, messages included, as the chip gets them."""
    far = scaling.far.apply(raw_density(structure, elements, config.around_atom))
    near = scaling.near.apply(raw_density(structure, elements, config.near_atom))
    sent = messages(structure, elements, near, bank, config, key)
    return AtomDensities(far, near, scaling.message.apply(sent))


def raw_density(structure: Structure, elements: Sequence[int], config: DensityConfig) -> Densities:
    """Return the unscaled density of the other atoms around every atom."""
    return atom_density(structure, one_hot(structure, elements), config)


def messages(
    structure: Structure,
    elements: Sequence[int],
    near: Densities,
    bank: Bank,
    config: HamiltonianConfig,
    key: PRNGKeyArray | None,
) -> Densities:
    """Return the unscaled density of what the neighbours emit, each element on its own channels.

    `near` are the scaled short-reach densities, whose scalars the chip mixes into what is emitted.
    """
    emitted = bank.read(SOURCE, near[0][:, :, 0], key)
    kinds = one_hot(structure, elements)
    sources = (kinds[:, :, None] * emitted[:, None, :]).reshape(len(kinds), -1)
    return atom_density(structure, sources, message_density(config))


def raw_states(
    structure: Structure,
    bonds: Bonds,
    densities: AtomDensities,
    layout: Layout,
    config: HamiltonianConfig,
) -> States:
    """Return the unscaled states of bonds."""
    return bond_states(
        structure,
        bonds,
        densities.far,
        layout.elements,
        config.around_bond,
        m_max=layout.m_max,
    )


def chunks(bonds: Bonds) -> Iterator[Bonds]:
    """Yield the bonds in parts of at most `CHUNK`."""
    for start in range(0, len(bonds), CHUNK):
        yield bonds.take(slice(start, start + CHUNK))


def chip_for(chip: Chip | None, shapes: Shapes, *, seed: int) -> Chip:
    """Return the macros of `chip` that the matrices need; sampled where none is given.

    Conductances are rounded to single precision, in which chips are stored.
    """
    needed = list(shapes.values())
    if chip is None:
        chip = Chip.sample(seed=seed, macros=macros_needed(Chip.sample(seed=seed), needed))
    used = chip.conductance[: macros_needed(chip, needed)]
    return replace(chip, conductance=used.astype(np.float32).astype(float))
