"""Starting velocities: Maxwell–Boltzmann, without drift and without rotation."""

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.md.config import MDConfig


def prepare(atoms: Atoms, config: MDConfig) -> Atoms:
    """Return a copy of `atoms` that can be moved, with velocities [as `config` asks].

    The copy keeps elements, masses, positions, cell, periodicity and constraints; labels go.
    Drawn velocities carry no total momentum, a free molecule no angular momentum either, and
    the instantaneous temperature is scaled to the target: a canonical run spreads from there.
    """
    _check(atoms, config)
    moving = Atoms(
        atoms.numbers,
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy(),
        pbc=atoms.pbc,
        momenta=atoms.get_momenta(),
        masses=atoms.get_masses() if atoms.has("masses") else None,
        constraint=[constraint.copy() for constraint in atoms.constraints],
    )
    if not config.keep_velocities:
        _thermalise(moving, config)
    return moving


def degrees_of_freedom(atoms: Atoms, *, friction: bool) -> int:
    """Return how many velocity components fluctuate freely.

    A bath that acts on every atom excites the overall motion too; without one, total momentum
    (and, for a free molecule, angular momentum) stays what it was: zero.
    """
    free = int(atoms.get_number_of_degrees_of_freedom())
    if friction or atoms.constraints or len(atoms) == 1:
        return free
    rotations = 0 if atoms.pbc.any() else int(np.linalg.matrix_rank(_inertia(atoms), tol=1e-6))
    return free - 3 - rotations


def _thermalise(atoms: Atoms, config: MDConfig) -> None:
    rng = np.random.default_rng([config.seed, 0])
    thermalize_momenta(atoms, config.temperature_K, rng=rng)
    if len(atoms) > 1 and not atoms.constraints:
        Stationary(atoms, preserve_temperature=False)
        if not atoms.pbc.any():
            _stop_rotation(atoms)
    kinetic = atoms.get_kinetic_energy()
    if kinetic > 0:
        target = degrees_of_freedom(atoms, friction=False) * units.kB * config.temperature_K / 2
        atoms.set_momenta(atoms.get_momenta() * np.sqrt(target / kinetic))


def _stop_rotation(atoms: Atoms) -> None:
    """Subtract the rigid rotation ω = I⁻¹ L; a linear molecule's axis has no inertia to divide."""
    omega = np.linalg.pinv(_inertia(atoms), rcond=1e-8) @ atoms.get_angular_momentum()
    arms = atoms.positions - atoms.get_center_of_mass()
    atoms.set_velocities(atoms.get_velocities() - np.cross(omega, arms))


def _inertia(atoms: Atoms) -> Float[np.ndarray, "3 3"]:
    """Return the inertia tensor about the centre of mass [amu Å²]."""
    arms = atoms.positions - atoms.get_center_of_mass()
    second = (atoms.get_masses()[:, None] * arms).T @ arms
    return np.trace(second) * np.eye(3) - second


def _check(atoms: Atoms, config: MDConfig) -> None:
    if len(atoms) == 0:
        raise InputError("md: the start structure has no atoms")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise InputError("md: positions or cell of the start structure are not finite numbers")
    if (atoms.get_masses() <= 0).any():
        raise InputError("md: the start structure has an atom without mass; use real elements")
    if any(atoms.pbc & (np.linalg.norm(atoms.cell.array, axis=1) == 0)):
        raise InputError("md: the start structure is periodic along a cell vector of length zero")
    if config.ensemble == "npt" and not (atoms.pbc.all() and atoms.cell.rank == 3):
        raise InputError("md: npt needs a cell that is periodic in all directions; use nvt or nve")
    if atoms.constraints and (config.ensemble == "npt" or config.thermostat == "nose-hoover"):
        raise InputError(
            "md: fixed atoms work with nve and with nvt by Langevin only; drop the constraints or "
            "change ensemble or thermostat"
        )
    coupled = config.ensemble != "nve" and config.thermostat == "nose-hoover"
    if coupled and degrees_of_freedom(atoms, friction=False) < 1:
        raise InputError("md: too few atoms for a Nosé–Hoover thermostat; use langevin")
