"""The force field as an ASE calculator."""

from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from rgnn.core import keys
from rgnn.io.structures import structure_of
from rgnn.tasks.force.model import ForceField, Predictor


class ForceCalculator(Calculator):
    """Energy, forces and stress, with `energy_std` and `forces_std` among the results.

    Every calculation on a noisy chip is a new read: results of the same positions differ. Set
    `uncertainty=False` where error bars are not looked at; they cost a few times the forces.
    """

    implemented_properties: ClassVar[list[str]] = [  # pyright: ignore[reportIncompatibleVariableOverride]
        "energy",
        "free_energy",
        "forces",
        "stress",
        "energy_std",
        "forces_std",
    ]

    def __init__(self, model: ForceField, *, uncertainty: bool = True, seed: int = 0):
        super().__init__()
        self.model = model
        self.uncertainty = uncertainty
        self.key = keys.child(keys.root(seed), "calculator")
        self.calls = 0
        self._predict = Predictor(model)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Read the chip for `atoms` and fill `results`."""
        super().calculate(atoms, properties, system_changes)
        if self.atoms is None:
            raise ValueError("no atoms to calculate; set atoms.calc or pass atoms")
        structure = structure_of(self.atoms)
        wanted = self.uncertainty or any(p.endswith("_std") for p in properties or [])
        found = self._predict(structure, key=keys.child(self.key, self.calls), uncertainty=wanted)
        self.calls += 1
        self.results = {
            "energy": found.energy,
            "free_energy": found.energy,
            "forces": found.forces,
        }
        if found.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(found.stress)
        if wanted:
            self.results |= {"energy_std": found.energy_std, "forces_std": found.forces_std}
        assert np.isfinite(found.forces).all()  # inputs were checked, the network is polynomial
