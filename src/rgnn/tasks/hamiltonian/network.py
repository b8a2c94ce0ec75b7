"""From a structure to the features of its bonds and atoms: densities, scaling, frozen network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, PRNGKeyArray

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.crossbar.build import cut
from rgnn.device import presets
from rgnn.device.chip import Chip
from rgnn.tasks.hamiltonian import reservoir
from rgnn.tasks.hamiltonian.bonds import Bonds
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.reservoir import Bank, Shapes
from rgnn.tasks.hamiltonian.states import States, bond_states, state_sizes
from rgnn.tasks.hamiltonian.surroundings import atom_density

Features = dict[Channel, Complex[np.ndarray, "n_bond n_feature"]]
Densities = list[Float[np.ndarray, "n_atom n_channel m"]]


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

    def shapes(self, config: HamiltonianConfig) -> Shapes:
        """Return the matrices of the whole network, by name."""
        sizes = state_sizes(
            len(self.elements), config.around_atom, config.around_bond, m_max=self.m_max
        )
        per_atom = len(self.elements) * config.around_atom.n_radial
        return {
            **reservoir.bond_shapes(sizes, config.bond, self.m_max),
            **reservoir.atom_shapes(per_atom, config.around_atom.lmax, self.m_max, config.atom),
        }


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and spread of every state over the training bonds and atoms.

    Only scalars that no symmetry makes vanish on average have a mean to remove.
    """

    bond_mean: Float[np.ndarray, " n_state"]
    bond_spread: Mapping[Channel, Float[np.ndarray, " n_state"]]
    atom_mean: Float[np.ndarray, " n_channel"]
    atom_spread: Sequence[Float[np.ndarray, " n_channel"]]

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        spreads = [*self.bond_spread.values(), *self.atom_spread]
        return self.bond_mean.size + self.atom_mean.size + sum(s.size for s in spreads)

    def bonds(self, states: States) -> States:
        """Return the states without their mean, in units of their spread."""
        return {
            channel: (x - (self.bond_mean if channel == (0, 1) else 0)) / self.bond_spread[channel]
            for channel, x in states.items()
        }

    def atoms(self, densities: Densities) -> Densities:
        """Return the densities without their mean, in units of their spread."""
        shifted = [densities[0] - self.atom_mean[:, None], *densities[1:]]
        return [rho / s[:, None] for rho, s in zip(shifted, self.atom_spread, strict=True)]


class ScalingSums:
    """Running first and second moments of states, for `Scaling`."""

    def __init__(self) -> None:
        self.bond: dict[Channel, np.ndarray] = {}
        self.atom: dict[int, np.ndarray] = {}
        self.n_bond = self.n_atom = 0

    def add_bonds(self, states: States) -> None:
        """Add the states of some bonds."""
        self.n_bond += len(next(iter(states.values())))
        for channel, x in states.items():
            moments = np.stack([np.real(x).sum(axis=0), np.square(np.abs(x)).sum(axis=0)])
            self.bond[channel] = self.bond.get(channel, 0.0) + moments

    def add_atoms(self, densities: Densities) -> None:
        """Add the densities of some atoms."""
        self.n_atom += len(densities[0])
        for degree, rho in enumerate(densities):
            moments = np.stack([rho.sum(axis=(0, 2)), np.square(rho).mean(axis=2).sum(axis=0)])
            self.atom[degree] = self.atom.get(degree, 0.0) + moments

    def finish(self) -> Scaling:
        """Return the scaling."""
        if not self.n_bond:
            raise InputError("the frames hold no block between two atoms; nothing can be learnt")
        bond = {channel: _moments(m, self.n_bond) for channel, m in self.bond.items()}
        atom = [_moments(self.atom[degree], self.n_atom) for degree in sorted(self.atom)]
        mean, atom_mean = bond[Channel(0, 1)][0], atom[0][0]
        return Scaling(
            mean,
            {c: _spread(q - mean**2 if c == (0, 1) else q) for c, (_, q) in bond.items()},
            atom_mean,
            [_spread(q - atom_mean**2 if degree == 0 else q) for degree, (_, q) in enumerate(atom)],
        )


def _moments(sums: np.ndarray, count: int) -> np.ndarray:
    return sums / count


def _spread(variance: np.ndarray) -> np.ndarray:
    """Return standard deviations; those that vanish by symmetry are kept from exploding."""
    root = np.sqrt(np.maximum(variance, 0))
    return np.maximum(root, 1e-3 * np.median(root) + 1e-9)


@dataclass(frozen=True, eq=False)
class Network:
    """The frozen network with its scaling: features of bonds and atoms."""

    layout: Layout
    config: HamiltonianConfig
    scaling: Scaling
    bank: Bank

    @staticmethod
    def build(layout: Layout, config: HamiltonianConfig, scaling: Scaling, chip: Chip) -> "Network":
        """Return the network whose matrices are cut out of `chip`."""
        shapes = layout.shapes(config)
        blocks = cut(chip, list(shapes.values()))
        return Network(
            layout, config, scaling, Bank.build(shapes, blocks, config.periphery, config.limit)
        )

    @property
    def n_frozen(self) -> int:
        """Return how many entries the matrices on the chip have."""
        return sum(n_out * n_in for n_out, n_in in self.layout.shapes(self.config).values())

    def densities(self, structure: Structure) -> Densities:
        """Return the density around every atom."""
        return atom_density(structure, self.layout.elements, self.config.around_atom)

    def bonds(
        self, structure: Structure, bonds: Bonds, densities: Densities, key: PRNGKeyArray | None
    ) -> Features:
        """Return the features of `bonds`."""
        states = bond_states(
            structure,
            bonds,
            densities,
            self.layout.elements,
            self.config.around_bond,
            m_max=self.layout.m_max,
        )
        return reservoir.bond_features(
            self.scaling.bonds(states), self.bank, self.config.bond, self.layout.m_max, key
        )

    def atoms(
        self, densities: Densities, key: PRNGKeyArray | None
    ) -> list[Float[np.ndarray, "n_atom n_feature component"]]:
        """Return the features of all atoms for each degree."""
        return reservoir.atom_features(
            self.scaling.atoms(densities), self.bank, self.layout.m_max, key
        )


def chip_for(shapes: Shapes, *, seed: int) -> Chip:
    """Return a sampled chip with as many macros as the matrices need."""
    cells = 2 * sum(n_out * n_in for n_out, n_in in shapes.values())
    macros = -(-cells // (presets.MACRO_ROWS * presets.MACRO_COLUMNS)) + 1
    while True:
        chip = Chip.sample(seed=seed, macros=macros)
        try:
            cut(chip, list(shapes.values()))
        except InputError:
            macros += 1 + macros // 8
        else:
            return chip
