"""From a structure to the features of its bonds and atoms: densities, scaling, frozen network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex, Float, PRNGKeyArray

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.crossbar.build import cut, macros_needed
from rgnn.device.chip import Chip
from rgnn.tasks.hamiltonian import reservoir
from rgnn.tasks.hamiltonian.bonds import Bonds
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.reservoir import Bank, Shapes
from rgnn.tasks.hamiltonian.states import States, bond_states, state_sizes
from rgnn.tasks.hamiltonian.surroundings import atom_density

Features = dict[Channel, Complex[np.ndarray, "n_bond _"]]
Densities = list[Float[np.ndarray, "n_atom _ _"]]


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
        far, near = (
            (len(self.elements) * density.n_radial, density.lmax)
            for density in (config.around_atom, config.near_atom)
        )
        return {
            **reservoir.bond_shapes(sizes, config.bond, self.m_max),
            **reservoir.atom_shapes(far, near, self.m_max, config.atom),
        }

    def densities(self, structure: Structure, config: HamiltonianConfig) -> "AtomDensities":
        """Return the densities around every atom."""
        return AtomDensities(
            atom_density(structure, self.elements, config.around_atom),
            atom_density(structure, self.elements, config.near_atom),
        )


@dataclass(frozen=True, eq=False)
class AtomDensities:
    """What surrounds every atom of a structure, with a long and with a short reach."""

    far: Densities
    near: Densities


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and spread of every state over the training bonds and atoms.

    Only scalars that no symmetry makes vanish on average have a mean to remove.
    """

    bond_mean: Float[np.ndarray, " n_state"]
    bond_spread: Mapping[Channel, Float[np.ndarray, " _"]]
    far: "DensityScaling"
    near: "DensityScaling"

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        bonds = self.bond_mean.size + sum(s.size for s in self.bond_spread.values())
        return bonds + self.far.size + self.near.size

    def bonds(self, states: States) -> States:
        """Return the states without their mean, in units of their spread."""
        return {
            channel: (x - (self.bond_mean if channel == (0, 1) else 0)) / self.bond_spread[channel]
            for channel, x in states.items()
        }


@dataclass(frozen=True, eq=False)
class DensityScaling:
    """Mean (of l = 0) and spread of the densities around atoms."""

    mean: Float[np.ndarray, " n_channel"]
    spread: Sequence[Float[np.ndarray, " _"]]

    @property
    def size(self) -> int:
        """Return how many numbers these are."""
        return self.mean.size + sum(s.size for s in self.spread)

    def apply(self, densities: Densities) -> Densities:
        """Return the densities without their mean, in units of their spread."""
        shifted = [densities[0] - self.mean[:, None], *densities[1:]]
        return [rho / s[:, None] for rho, s in zip(shifted, self.spread, strict=True)]


class ScalingSums:
    """Running first and second moments of states, for `Scaling`."""

    def __init__(self) -> None:
        self.bond: dict[Channel, np.ndarray] = {}
        self.atom: dict[str, list[np.ndarray]] = {}
        self.n_bond = self.n_atom = 0

    def add_bonds(self, states: States) -> None:
        """Add the states of some bonds."""
        self.n_bond += len(next(iter(states.values())))
        for channel, x in states.items():
            moments = np.stack([np.real(x).sum(axis=0), np.square(np.abs(x)).sum(axis=0)])
            self.bond[channel] = self.bond.get(channel, 0.0) + moments

    def add_atoms(self, densities: "AtomDensities") -> None:
        """Add the densities of some atoms."""
        self.n_atom += len(densities.far[0])
        for name, listed in (("far", densities.far), ("near", densities.near)):
            moments = [
                np.stack([rho.sum(axis=(0, 2)), np.square(rho).mean(axis=2).sum(axis=0)])
                for rho in listed
            ]
            old = self.atom.get(name, [0.0] * len(listed))
            self.atom[name] = [m + o for m, o in zip(moments, old, strict=True)]

    def finish(self) -> Scaling:
        """Return the scaling."""
        if not self.n_bond:
            raise InputError("the frames hold no block between two atoms; nothing can be learnt")
        bond = {channel: m / self.n_bond for channel, m in self.bond.items()}
        mean = bond[Channel(0, 1)][0]
        return Scaling(
            mean,
            {c: _spread(q - mean**2 if c == (0, 1) else q) for c, (_, q) in bond.items()},
            self._density("far"),
            self._density("near"),
        )

    def _density(self, name: str) -> DensityScaling:
        moments = [m / self.n_atom for m in self.atom[name]]
        mean = moments[0][0]
        spread = [_spread(q - mean**2 if n == 0 else q) for n, (_, q) in enumerate(moments)]
        return DensityScaling(mean, spread)


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

    def densities(self, structure: Structure) -> AtomDensities:
        """Return the densities around every atom."""
        return self.layout.densities(structure, self.config)

    def bonds(
        self, structure: Structure, bonds: Bonds, densities: AtomDensities, key: PRNGKeyArray | None
    ) -> Features:
        """Return the features of `bonds`."""
        states = bond_states(
            structure,
            bonds,
            densities.far,
            self.layout.elements,
            self.config.around_bond,
            m_max=self.layout.m_max,
        )
        return reservoir.bond_features(
            self.scaling.bonds(states), self.bank, self.config.bond, self.layout.m_max, key
        )

    def atoms(
        self, densities: AtomDensities, key: PRNGKeyArray | None
    ) -> list[Float[np.ndarray, "n_atom _ _"]]:
        """Return the features of all atoms for each degree."""
        return reservoir.atom_features(
            self.scaling.far.apply(densities.far),
            self.scaling.near.apply(densities.near),
            self.bank,
            self.layout.m_max,
            key,
        )


def chip_for(chip: Chip | None, shapes: Shapes, *, seed: int) -> Chip:
    """Return the macros of `chip` that the matrices need; sampled where none is given.

    Conductances are rounded to single precision, in which chips are stored.
    """
    needed = list(shapes.values())
    if chip is None:
        chip = Chip.sample(seed=seed, macros=macros_needed(Chip.sample(seed=seed), needed))
    used = chip.conductance[: macros_needed(chip, needed)]
    return replace(chip, conductance=used.astype(np.float32).astype(float))
