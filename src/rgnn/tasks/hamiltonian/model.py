"""The Hamiltonian model as users meet it: fit, predict, count."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.device.chip import Chip
from rgnn.io.hamiltonian_frames import HamiltonianFrame, in_order_of
from rgnn.tasks.hamiltonian import fit as fitting
from rgnn.tasks.hamiltonian import irreps, overlap
from rgnn.tasks.hamiltonian.bonds import Bonds, ElementPair, bonds_within
from rgnn.tasks.hamiltonian.calibration import Progress
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.design import atom_rows, bond_rows, from_rows
from rgnn.tasks.hamiltonian.fit import Fitted, Keep
from rgnn.tasks.hamiltonian.network import AtomDensities, chunks
from rgnn.tasks.hamiltonian.presets import suited_to

if TYPE_CHECKING:
    import ase
    import sisl


_FAR = 4.0
"""An atom is outside the training data when its error bar is this many times the usual one."""


class OutsideTraining(UserWarning):
    """A structure has surroundings on which the model was not trained."""


@dataclass(frozen=True, eq=False)
class HamiltonianModel:
    """A DFT Hamiltonian as a function of the structure."""

    fitted: Fitted
    order: str
    """Order of the orbitals in what is predicted: that of the training data."""
    seed: int

    @staticmethod
    def fit(
        frames: Sequence[HamiltonianFrame],
        *,
        chip: Chip | None = None,
        seed: int = 0,
        config: HamiltonianConfig | None = None,
        keep: Keep | None = None,
        progress: Progress | None = None,
    ) -> "HamiltonianModel":
        """Return the model fitted in closed form to `frames`.

        Without `chip` one is sampled with `seed`, as large as the network needs; without `config`
        settings are those `suited_to` the frames. `keep` marks the atoms to learn from, frame by
        frame: only blocks between kept atoms are used.
        """
        found = fitting.fit(
            frames,
            chip=chip,
            seed=seed,
            config=config or suited_to(frames),
            keep=keep,
            progress=progress,
        )
        return HamiltonianModel(found, frames[0].order, seed)

    def predict(self, atoms: "ase.Atoms | Structure") -> "sisl.Hamiltonian":
        """Return H and S of a structure as a `sisl.Hamiltonian`."""
        from rgnn.io.siesta import to_sisl

        return to_sisl(self.predict_frame(as_structure(atoms)))

    def predict_frame(
        self, structure: Structure, *, reads: int = 1, seed: int | None = None
    ) -> HamiltonianFrame:
        """Return H (mean over `reads` of the chip) and S of a structure as blocks."""
        self._check(structure)
        bonds = bonds_within(structure, {p: r.cutoff for p, r in self.fitted.reach.items()})
        self._warn_outside(structure, bonds)
        index = _Index(len(structure), bonds)
        size = max(irreps.starts(self.fitted.shells[int(z)])[-1] for z in structure.numbers)
        root = keys.child(keys.root(self.seed if seed is None else seed), "predict")
        matrix = np.zeros((self.fitted.n_spin, index.n_block, size, size))
        for n in range(reads):
            self._add_blocks(matrix, structure, bonds, index, keys.child(root, n))
        overlaps = self._overlap(structure, bonds, index, size)
        frame = HamiltonianFrame(
            structure,
            self.fitted.shells,
            "standard",
            *index.blocks(bonds),
            matrix / reads + self.fitted.gauge * overlaps,
            overlaps,
            self.fitted.fermi,
            source="prediction",
        )
        return in_order_of(frame, self.order)

    def uncertainty(self, structure: Structure) -> Float[np.ndarray, " n_atom"]:
        """Return the standard deviation [eV] of each atom's on-site scalars, from the posterior."""
        network, key = self.fitted.network, keys.child(keys.root(self.seed), "error")
        features = network.atoms(network.densities(structure, keys.child(key, "messages")), key)
        out = np.zeros(len(structure))
        for z, table in self.fitted.onsite.items():
            atoms = np.flatnonzero(structure.numbers == z)
            if len(atoms):
                out[atoms] = table[0].deviation(atom_rows(features[0][atoms], 0))
        return out

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors with JSON metadata; loading it cannot run code."""
        from rgnn.tasks.hamiltonian import storage

        storage.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "HamiltonianModel":
        """Read a model written by `save`."""
        from rgnn.tasks.hamiltonian import storage

        return storage.load(path)

    @property
    def n_frozen(self) -> int:
        """Return how many entries of matrices on the chip the model uses."""
        return self.fitted.network.n_frozen

    @property
    def n_trained(self) -> int:
        """Return how many numbers were fitted to data."""
        found = self.fitted
        tables = [*found.hopping.values(), *found.onsite.values()]
        weights = sum(r.weights.size for table in tables for r in table.values())
        curves = sum(c.weights.size for c in found.curves.values())
        constants = sum(o.size for o in found.overlaps.values()) + 2 * len(found.reach) + 1
        return weights + curves + constants + found.network.n_scaling

    def _check(self, structure: Structure) -> None:
        unknown = sorted({int(z) for z in structure.numbers} - set(self.fitted.shells))
        if unknown:
            raise InputError(
                f"element Z = {unknown[0]} was not in the training frames, which held Z = "
                f"{', '.join(map(str, sorted(self.fitted.shells)))}"
            )
        if not len(structure) or not np.isfinite(structure.positions).all():
            raise InputError("the structure has no atoms or positions that are not finite")

    def _warn_outside(self, structure: Structure, bonds: dict[ElementPair, Bonds]) -> None:
        """Warn of surroundings that no training frame resembles, with the error to expect."""
        deviation = self.uncertainty(structure)
        usual = np.array([self.fitted.onsite[int(z)][0].rmse for z in structure.numbers])
        beyond = np.flatnonzero(deviation > _FAR * np.maximum(usual, 1e-12))
        if len(beyond):
            worst = int(beyond[np.argmax(deviation[beyond])])
            warnings.warn(
                f"{len(beyond)} of {len(structure)} atoms have surroundings unlike the training; "
                f"on-site levels of atom {worst} are uncertain by {in_words(deviation[worst])} "
                f"(usually {in_words(usual[worst])})",
                OutsideTraining,
                stacklevel=3,
            )
        short = [
            f"{float(b.distance.min()):.2f} Å between Z = {a} and {c} (trained from "
            f"{self.fitted.reach[a, c].shortest:.2f} Å)"
            for (a, c), b in bonds.items()
            if b.distance.min() < self.fitted.reach[a, c].shortest - 0.05
        ]
        if short:
            warnings.warn(
                f"bond shorter than in training: {short[0]}", OutsideTraining, stacklevel=3
            )

    def _add_blocks(
        self,
        matrix: np.ndarray,
        structure: Structure,
        bonds: dict[ElementPair, Bonds],
        index: "_Index",
        key: PRNGKeyArray,
    ) -> None:
        """Add one read's blocks of H − μ S to `matrix`."""
        densities = self.fitted.network.densities(structure, keys.child(key, "messages"))
        features = self.fitted.network.atoms(densities, keys.child(key, "atoms"))
        for z, table in self.fitted.onsite.items():
            atoms = np.flatnonzero(structure.numbers == z)
            if len(atoms):
                shells = self.fitted.shells[z]
                size = irreps.starts(shells)[-1]
                values = _onsite_blocks(
                    {d: atom_rows(features[d][atoms], d) @ r.weights for d, r in table.items()},
                    shells,
                    self.fitted.n_spin,
                )
                matrix[:, atoms, :size, :size] += values
        for pair, listed in bonds.items():
            start = index.start[pair]
            for n, part in enumerate(chunks(listed)):
                blocks = self._hopping(
                    structure, pair, part, densities, keys.child(key, "bonds", *pair, n)
                )
                index.add(matrix, start, listed, blocks)
                start += len(part)

    def _hopping(
        self,
        structure: Structure,
        pair: ElementPair,
        bonds: Bonds,
        densities: AtomDensities,
        key: PRNGKeyArray,
    ) -> Float[np.ndarray, "n_spin n_bond rows columns"]:
        features = self.fitted.network.bonds(structure, bonds, densities, key)
        left, right = self.fitted.shells[pair[0]], self.fitted.shells[pair[1]]
        reach, config = self.fitted.reach[pair], self.fitted.network.config.bond
        values = {
            channel: from_rows(
                bond_rows(features, bonds.distance, reach, channel, config) @ ridge.weights,
                channel.m,
            )
            for channel, ridge in self.fitted.hopping[pair].items()
        }
        same, n_spin = pair[0] == pair[1], self.fitted.n_spin
        spins = [
            {c: np.array_split(v, n_spin, axis=1)[s] for c, v in values.items()}
            for s in range(n_spin)
        ]
        turned = np.stack([irreps.join(v, left, right, same=same) for v in spins])
        return irreps.in_frames(turned, bonds.frames, left, right, inverse=True)

    def _overlap(
        self, structure: Structure, bonds: dict[ElementPair, Bonds], index: "_Index", size: int
    ) -> Float[np.ndarray, "n_block size size"]:
        out = np.zeros((1, index.n_block, size, size))
        for atom, z in enumerate(structure.numbers):
            own = self.fitted.overlaps[int(z)]
            out[0, atom, : len(own), : len(own)] = own
        for pair, listed in bonds.items():
            left, right = self.fitted.shells[pair[0]], self.fitted.shells[pair[1]]
            turned = overlap.compose(self.fitted.curves[pair](listed.distance), left, right)
            blocks = irreps.in_frames(turned, listed.frames, left, right, inverse=True)
            index.add(out, index.start[pair], listed, blocks[None])
        return out[0]


class _Index:
    """Where blocks stand: one per atom, then every bond in both directions."""

    def __init__(self, n_atom: int, bonds: dict[ElementPair, Bonds]):
        self.n_atom = n_atom
        self.n_bond = sum(map(len, bonds.values()))
        offsets = np.cumsum([n_atom, *map(len, bonds.values())])
        self.start = dict(zip(bonds, offsets.tolist(), strict=False))

    @property
    def n_block(self) -> int:
        return self.n_atom + 2 * self.n_bond

    def blocks(self, bonds: dict[ElementPair, Bonds]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return i, j and R of every block."""
        atoms = np.arange(self.n_atom)
        first = [b.first for b in bonds.values()]
        second = [b.second for b in bonds.values()]
        image = [b.image for b in bonds.values()]
        return (
            np.concatenate([atoms, *first, *second]).astype(int),
            np.concatenate([atoms, *second, *first]).astype(int),
            np.concatenate([np.zeros((self.n_atom, 3), int), *image, *(-r for r in image)]),
        )

    def add(
        self,
        matrix: np.ndarray,
        start: int,
        bonds: Bonds,
        blocks: Float[np.ndarray, "n_spin n rows columns"],
    ) -> None:
        """Add the blocks of some bonds, and their transposes for the way back."""
        _, n, rows, columns = blocks.shape
        matrix[:, start : start + n, :rows, :columns] += blocks
        back = slice(start + self.n_bond, start + self.n_bond + n)
        matrix[:, back, :columns, :rows] += np.swapaxes(blocks, -1, -2)


def _onsite_blocks(
    values: dict[int, Float[np.ndarray, "_ _"]], shells: Sequence[int], n_spin: int
) -> Float[np.ndarray, "n_spin n_atom size size"]:
    """Return symmetric on-site blocks from the predicted irreps."""
    spins = []
    for s in range(n_spin):
        parts = {d: np.array_split(v, n_spin, axis=1)[s] for d, v in values.items()}
        half = irreps.onsite_join(parts, shells)
        spins.append(half)
    return np.stack(spins)


def in_words(deviation: float) -> str:
    """Return an error bar [eV] as text; from 10 eV on nothing is known."""
    return f"{deviation:.2g} eV" if deviation < 10 else "more than 10 eV"


def as_structure(atoms: "ase.Atoms | Structure") -> Structure:
    """Return atoms of ASE as a `Structure`."""
    if isinstance(atoms, Structure):
        return atoms
    return Structure(
        np.array(atoms.get_positions(), float),
        np.array(atoms.get_atomic_numbers(), int),
        np.array(atoms.cell.array, float),
        np.array(atoms.get_pbc(), bool),
    )
