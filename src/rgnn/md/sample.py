"""What one moment of a trajectory measures, and when it can no longer be physics."""

import math
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from jaxtyping import Float
from vesin import NeighborList

from rgnn.core.errors import InputError
from rgnn.core.units import EV_PER_A3_IN_GPA
from rgnn.md.config import MDConfig
from rgnn.md.start import degrees_of_freedom


class Unstable(InputError):
    """The motion left physics: the message says when, how, and what to try."""


class ExtrapolationWarning(UserWarning):
    """The force field says of itself that it no longer knows these surroundings."""


@dataclass(frozen=True)
class Sample:
    """One row of the log; NaN where the calculator or the ensemble does not define a value."""

    step: int
    time_fs: float
    potential_eV: float
    kinetic_eV: float
    total_eV: float
    conserved_eV: float
    """What exact integration keeps constant: the total energy (nve) or the extended one."""
    temperature_K: float
    pressure_GPa: float
    volume_A3: float
    max_force_eV_per_A: float
    max_force_std_eV_per_A: float


def measure(atoms: Atoms, config: MDConfig, step: int, conserved: float) -> Sample:
    """Return the sample of `atoms`, whose calculator has seen these positions."""
    potential, kinetic = float(atoms.get_potential_energy()), float(atoms.get_kinetic_energy())
    std = forces_std(atoms)
    return Sample(
        step=step,
        time_fs=step * config.timestep_fs,
        potential_eV=potential,
        kinetic_eV=kinetic,
        total_eV=potential + kinetic,
        conserved_eV=conserved,
        temperature_K=temperature(atoms, config),
        pressure_GPa=_pressure(atoms),
        volume_A3=float(atoms.get_volume()) if atoms.cell.rank == 3 else math.nan,
        max_force_eV_per_A=float(np.abs(atoms.get_forces()).max()),
        max_force_std_eV_per_A=math.nan if std is None else float(std.max()),
    )


def temperature(atoms: Atoms, config: MDConfig) -> float:
    """Return the kinetic temperature [K] over the degrees of freedom the ensemble leaves free."""
    freedom = degrees_of_freedom(atoms, friction=config.has_friction)
    return 2 * float(atoms.get_kinetic_energy()) / (max(freedom, 1) * units.kB)


def forces_std(atoms: Atoms) -> Float[np.ndarray, "n_atom *three"] | None:
    """Return the calculator's own force uncertainty [eV/Å], or `None` if it offers none."""
    calculator = atoms.calc
    if calculator is None:
        return None
    values = getattr(calculator, "results", {}).get("forces_std")
    if values is None and "forces_std" in getattr(calculator, "implemented_properties", ()):
        values = calculator.get_property("forces_std", atoms)
    return None if values is None else np.asarray(values, dtype=float)


def check_motion(atoms: Atoms, config: MDConfig, step: int) -> None:
    """Raise `Unstable` if forces or temperature are beyond the limits (every step)."""
    check_forces(atoms, config, step)
    if not (hot := temperature(atoms, config)) <= config.temperature_limit_K:
        limit = config.temperature_limit_K
        raise _stopped(config, step, f"temperature of {hot:.0f} K exceeds {limit:.0f} K")


def check_forces(atoms: Atoms, config: MDConfig, step: int) -> None:
    """Raise `Unstable` if a force is not a number or too large."""
    largest = np.abs(atoms.get_forces()).max(axis=1)
    if not np.isfinite(largest).all():
        atom = int(np.argmin(np.isfinite(largest)))
        raise _stopped(config, step, f"the force on {_name(atoms, atom)} is not a number")
    atom = int(largest.argmax())
    if largest[atom] > config.max_force_eV_per_A:
        raise _stopped(
            config,
            step,
            f"force of {largest[atom]:.3g} eV/Å on {_name(atoms, atom)} exceeds "
            f"{config.max_force_eV_per_A:g} eV/Å",
        )


def check_distances(atoms: Atoms, config: MDConfig, step: int) -> None:
    """Raise `Unstable` if two atoms have collapsed onto one another (every logged step)."""
    if config.min_distance_A == 0:
        return
    reach = max(config.min_distance_A, _CHEAPEST_CUTOFF_A)
    near = NeighborList(cutoff=reach, full_list=False, n_threads=1)
    first, second, distance = near.compute(
        atoms.get_positions(wrap=True), atoms.cell.array, atoms.pbc, quantities="ijd"
    )
    if len(distance) == 0 or distance.min() >= config.min_distance_A:
        return
    nearest = int(np.argmin(distance))
    names = [_name(atoms, int(ends[nearest])) for ends in (first, second)]
    raise _stopped(config, step, f"{names[0]} and {names[1]} are {distance[nearest]:.3f} Å apart")


_CHEAPEST_CUTOFF_A = 2.0
"""Below this, the neighbour search spends its time on empty boxes (5 ms at 0.4 Å, 0.1 ms here)."""


def _name(atoms: Atoms, atom: int) -> str:
    return f"atom {atom} ({atoms.symbols[atom]})"


def _stopped(config: MDConfig, step: int, what: str) -> Unstable:
    return Unstable(
        f"md stopped at step {step} ({step * config.timestep_fs:g} fs): {what}; what was written "
        "before is kept; relax the start, shorten the time step, lower the temperature, or train "
        "on such structures"
    )


def _pressure(atoms: Atoms) -> float:
    """Return the pressure [GPa] with its kinetic part, or NaN without a stress."""
    offered = "stress" in getattr(atoms.calc, "implemented_properties", ())
    if not (offered and atoms.pbc.all() and atoms.cell.rank == 3):
        return math.nan
    stress = atoms.get_stress(voigt=False, include_ideal_gas=True)
    return float(-np.trace(stress) / 3 * EV_PER_A3_IN_GPA)
