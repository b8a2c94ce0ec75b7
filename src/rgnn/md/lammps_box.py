"""The simulation box as LAMMPS wants it: first vector along x, second in the xy plane."""

import numpy as np
from ase import Atoms
from jaxtyping import Float

from rgnn.core.errors import InputError


class Box:
    """The rotation between the user's axes and LAMMPS' (first vector along x, second in xy)."""

    def __init__(self, atoms: Atoms):
        if atoms.pbc.any() and not atoms.pbc.all():
            raise InputError(
                "md: the LAMMPS engine takes cells that are periodic in all directions or in "
                "none; use the ase engine for slabs and wires"
            )
        if atoms.constraints:
            raise InputError("md: fixed atoms work with the ase engine only")
        self.periodic = bool(atoms.pbc.all())
        if self.periodic:
            standard, rotation = atoms.cell.standard_form()
            mirror = np.sign(np.diag(standard))  # LAMMPS wants positive lengths: left-handed
            self.cell = np.array(standard) * mirror  # cells are reflected, which physics allows
            self.rotation = mirror[:, None] * rotation
        else:
            self.rotation = np.eye(3)
            self.low, self.high = atoms.positions.min(axis=0) - 1, atoms.positions.max(axis=0) + 1

    def turn(self, vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Return row vectors in LAMMPS' axes."""
        return vectors @ self.rotation.T

    def back(self, vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Return row vectors in the user's axes."""
        return vectors @ self.rotation

    def turn_tensor(self, tensor: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
        """Return a Cartesian tensor in LAMMPS' axes."""
        return self.rotation @ tensor @ self.rotation.T

    def wrap(self, positions: Float[np.ndarray, "n_atom 3"]) -> Float[np.ndarray, "n_atom 3"]:
        """Return positions folded into a periodic cell."""
        if not self.periodic:
            return positions
        return (positions @ np.linalg.inv(self.cell)) % 1.0 @ self.cell

    def commands(self, masses: list[float]) -> str:
        """Return the LAMMPS input that lays out the box and the kinds of atoms."""
        if self.periodic:
            (x, _, _), (xy, y, _), (xz, yz, z) = self.cell.tolist()
            boundary = "p p p"
            region = f"prism 0 {x!r} 0 {y!r} 0 {z!r} {xy!r} {xz!r} {yz!r}"
        else:
            boundary = "m m m"
            pairs = zip(self.low.tolist(), self.high.tolist(), strict=True)
            region = "block " + " ".join(f"{low!r} {high!r}" for low, high in pairs)
        lines = [
            "units metal",
            "atom_style atomic",
            "atom_modify map yes",
            f"boundary {boundary}",
            "box tilt large",
            f"region box {region} units box",
            f"create_box {len(masses)} box",
            *(f"mass {kind} {mass!r}" for kind, mass in enumerate(masses, start=1)),
            "pair_style zero 1.0",  # LAMMPS' own neighbours are not used: keep them few
            "pair_coeff * *",
            "neighbor 0.5 bin",
            "neigh_modify every 1 delay 0 check yes",
        ]
        return "\n".join(lines)
