"""Molecules computed on the spot with PySCF: reference Hamiltonians without any files."""

from typing import Any

import numpy as np

from rgnn.core.errors import InputError, MissingExtra
from rgnn.core.structure import Structure
from rgnn.core.units import HARTREE_IN_EV
from rgnn.io.hamiltonian_frames import HamiltonianFrame, checked


def compute(
    structure: Structure,
    *,
    functional: str = "pbe",
    basis: str = "def2-svp",
    charge: int = 0,
    unpaired: int = 0,
    tolerance: float = 1e-9,
    source: str = "PySCF molecule",
) -> HamiltonianFrame:
    """Return the Kohn–Sham matrix and overlap of a molecule; two spins if electrons are `unpaired`.

    `fermi` is the middle of the gap. Raises InputError if the calculation does not converge.
    """
    gto, dft = _pyscf()
    atoms = [
        (int(z), tuple(r)) for z, r in zip(structure.numbers, structure.positions, strict=True)
    ]
    try:
        molecule = gto.M(
            atom=atoms, basis=basis, charge=charge, spin=unpaired, unit="Angstrom", verbose=0
        )
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{source}: PySCF refuses the molecule, the basis or {unpaired} unpaired electrons "
            f"({error})"
        ) from None
    calculation = (dft.UKS if unpaired else dft.RKS)(molecule).density_fit()
    calculation.xc, calculation.conv_tol = functional, tolerance
    calculation.conv_tol_grad = 1e-6
    calculation.kernel()
    if not calculation.converged:
        raise InputError(f"{source}: the self-consistent field did not converge")
    energies, occupied = np.asarray(calculation.mo_energy), np.asarray(calculation.mo_occ) > 0
    middle = (energies[occupied].max() + energies[~occupied].min()) / 2
    return checked(
        _cut(
            structure,
            molecule,
            np.asarray(calculation.get_fock()).reshape(-1, *calculation.get_ovlp().shape)
            * HARTREE_IN_EV,
            np.asarray(calculation.get_ovlp()),
            float(middle) * HARTREE_IN_EV,
            source,
        )
    )


def _pyscf() -> tuple[Any, Any]:
    try:
        from pyscf import dft, gto
    except ImportError as error:
        raise MissingExtra("pyscf", "hamiltonian") from error
    return gto, dft


def _cut(
    structure: Structure,
    molecule: Any,
    fock: np.ndarray,
    overlap: np.ndarray,
    fermi: float,
    source: str,
) -> HamiltonianFrame:
    """Return the matrices, that of every spin in `fock`, as blocks between all pairs of atoms."""
    ranges = molecule.aoslice_by_atom()
    shells: dict[int, tuple[int, ...]] = {}
    for atom, z in enumerate(structure.numbers):
        first, last = ranges[atom][:2]
        degrees = [
            molecule.bas_angular(n) for n in range(first, last) for _ in range(molecule.bas_nctr(n))
        ]
        shells[int(z)] = tuple(int(degree) for degree in degrees)
    n_atom = len(structure)
    first, second = np.divmod(np.arange(n_atom**2), n_atom)
    width = int(np.diff(ranges[:, 2:], axis=1).max())

    def blocks(matrix: np.ndarray) -> np.ndarray:
        out = np.zeros((n_atom**2, width, width))
        for n, (i, j) in enumerate(zip(first, second, strict=True)):
            part = matrix[ranges[i][2] : ranges[i][3], ranges[j][2] : ranges[j][3]]
            out[n, : part.shape[0], : part.shape[1]] = part
        return out

    return HamiltonianFrame(
        structure,
        shells,
        "pyscf",
        first,
        second,
        np.zeros((n_atom**2, 3), int),
        np.stack([blocks(spin) for spin in fock]),
        blocks(overlap),
        fermi,
        source=source,
    )
