"""Atoms in a (possibly periodic) cell, and the labels a quantum-mechanical code gave them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class Structure:
    """Positions [Å], atomic numbers, cell rows [Å] and periodic directions."""

    positions: Float[np.ndarray, "n_atom 3"]
    numbers: Int[np.ndarray, " n_atom"]
    cell: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.zeros((3, 3)))
    pbc: Bool[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3, dtype=bool))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def volume(self) -> float:
        """Return the cell volume [Å³]; 0 without a cell."""
        return float(abs(np.linalg.det(self.cell)))


@dataclass(frozen=True, eq=False)
class Labels:
    """Energy [eV], forces [eV/Å] and stress [eV/Å³, ASE sign]; `None` where not computed."""

    energy: float | None = None
    forces: Float[np.ndarray, "n_atom 3"] | None = None
    stress: Float[np.ndarray, "3 3"] | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One labelled structure and where it came from, e.g. `train.extxyz, frame 17`.

    `info` keeps what the file said about the frame in single words and numbers (temperature,
    melt, configuration type), which is what splits are made by.
    """

    structure: Structure
    labels: Labels
    source: str = ""
    info: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.structure)
