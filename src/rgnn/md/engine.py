"""Integrators of ASE behind the one interface that every engine offers."""

import json
import math
import warnings
from operator import attrgetter
from typing import Protocol, runtime_checkable

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.nose_hoover_chain import (
    MTKNPT,
    IsotropicMTKNPT,
    NoseHooverChainNVT,
    NoseHooverChainThermostat,
)
from ase.md.verlet import VelocityVerlet

from rgnn.core.errors import InputError
from rgnn.core.units import EV_PER_A3_IN_GPA
from rgnn.md.config import MDConfig
from rgnn.md.sample import Unstable, check_motion
from rgnn.md.start import degrees_of_freedom

Integrator = VelocityVerlet | LangevinBAOAB | NoseHooverChainNVT | IsotropicMTKNPT | MTKNPT

State = dict[str, np.ndarray]
"""What an integrator remembers beyond positions, momenta and cell."""


@runtime_checkable
class Engine(Protocol):
    """Something that moves atoms.

    `advance` leaves `atoms` with unwrapped positions, momenta, cell and evaluated forces.
    """

    atoms: Atoms

    def advance(self, first: int, steps: int) -> None:
        """Move by `steps`, the first of which has number `first`; raise `Unstable` at limits."""
        ...

    def conserved(self) -> float:
        """Return the energy [eV] that exact integration keeps, or NaN if there is none."""
        ...

    def state(self) -> State:
        """Return what continuing needs besides `atoms`."""
        ...


class AseEngine:
    """Velocity Verlet (nve), Langevin by BAOAB, or Martyna–Tobias–Klein chains, from ASE.

    Continuing from a saved state repeats the uninterrupted run bit for bit in every ensemble,
    provided that the calculator's forces depend on the present positions alone (one that keeps
    a neighbour list between steps differs in rounding) or on its count of reads too, see
    `repeat_last_read`.
    """

    def __init__(
        self, atoms: Atoms, calculator: BaseCalculator, config: MDConfig, state: State | None
    ):
        self.atoms = atoms
        self.config = config
        self.calculator = calculator
        repeat_last_read(calculator, state)
        atoms.calc = calculator
        with warnings.catch_warnings():  # ASE announces its default barostat mass
            warnings.filterwarnings("ignore", "Using heuristic P_mass")
            self.integrator = _build(atoms, calculator, config)
        if state:
            _restore(self.integrator, state)

    def advance(self, first: int, steps: int) -> None:
        """Move by `steps`, checking the motion after each."""
        for step in range(first, first + steps):
            try:
                self.integrator.step()
            except Unstable:
                raise
            except InputError as error:
                raise Unstable(f"md stopped at step {step}: {error}") from error
            check_motion(self.atoms, self.config, step)

    def conserved(self) -> float:
        """Return the total (nve) or extended (Nosé–Hoover) energy [eV]; NaN for Langevin."""
        if isinstance(self.integrator, LangevinBAOAB):
            return math.nan
        return float(self.atoms.get_total_energy()) + _stored_energy(self.integrator)

    def state(self) -> State:
        """Return thermostat, barostat and random-number state as plain arrays."""
        names = _remembered(self.integrator)
        kept = {name: np.array(attrgetter(name)(self.integrator)) for name in names}
        kept |= count_of_reads(self.calculator)
        if isinstance(self.integrator, LangevinBAOAB):
            kept["rng"] = np.array(json.dumps(self.integrator.rng.bit_generator.state))
        return kept


def count_of_reads(calculator: BaseCalculator) -> State:
    """Return how often a calculator with `calls` was evaluated; nothing for others."""
    calls = getattr(calculator, "calls", None)
    return {} if calls is None else {"calls": np.array(calls)}


def repeat_last_read(calculator: BaseCalculator, state: State | None) -> None:
    """Set the count of reads back by one, for the engine to evaluate the saved positions again.

    On a noisy chip, the count picks the noise: the same count at the same positions gives the
    same forces, and the run goes on as if it had never stopped.
    """
    if state and "calls" in state and hasattr(calculator, "calls"):
        calculator.calls = int(state["calls"]) - 1  # pyright: ignore[reportAttributeAccessIssue]


_CHAIN = ("_thermostat._eta", "_thermostat._p_eta")
_BAROSTAT = ("_barostat._xi", "_barostat._p_xi")


def _remembered(integrator: Integrator) -> tuple[str, ...]:
    """Return the attributes in which an ASE integrator keeps its extended variables."""
    match integrator:
        case NoseHooverChainNVT():
            return _CHAIN
        case IsotropicMTKNPT():
            return (*_CHAIN, *_BAROSTAT, "_eps", "_p_eps", "_volume0", "_cell0")
        case MTKNPT():
            return (*_CHAIN, *_BAROSTAT, "_p_g")
        case LangevinBAOAB() if integrator.externalstress is not None:
            return ("p_eps", "force_eps")
        case _:
            return ()


def _stored_energy(integrator: Integrator) -> float:
    """Return the energy [eV] of thermostat and barostat, P V included; 0 without them.

    ASE's own sum asks for a `free_energy`, which not every calculator offers.
    """
    match integrator:
        case IsotropicMTKNPT():
            momentum = np.array(integrator._p_eps)
        case MTKNPT():
            momentum = integrator._p_g
        case NoseHooverChainNVT():
            return integrator._thermostat.get_thermostat_energy()
        case _:
            return 0.0
    barostat = integrator._barostat
    return float(
        integrator._thermostat.get_thermostat_energy()
        + barostat.get_barostat_energy()
        + np.sum(momentum**2) / (2 * barostat.W)
        + integrator._pressure_au * integrator._get_volume()
    )


def _restore(integrator: Integrator, state: State) -> None:
    for path in _remembered(integrator):
        owner, _, name = path.rpartition(".")
        value = state[path]
        target = attrgetter(owner)(integrator) if owner else integrator
        setattr(target, name, value.copy() if value.ndim else float(value))
    if isinstance(integrator, LangevinBAOAB):
        integrator.rng.bit_generator.state = json.loads(str(state["rng"]))


def _build(atoms: Atoms, calculator: BaseCalculator, config: MDConfig) -> Integrator:
    """Return the ASE integrator that `config` names."""
    timestep = config.timestep_fs * units.fs
    if config.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    if config.ensemble == "npt" and "stress" not in calculator.implemented_properties:
        raise InputError("md: npt needs a calculator with stress; use nvt")
    if config.thermostat == "langevin":
        return _langevin(atoms, config, timestep)
    return _nose_hoover(atoms, config, timestep)


def _langevin(atoms: Atoms, config: MDConfig, timestep: float) -> LangevinBAOAB:
    """Langevin by BAOAB splitting, doi:10.1063/1.4802990; cell: doi:10.1063/1.1755657."""
    npt = config.ensemble == "npt"
    return LangevinBAOAB(
        atoms,
        timestep,
        temperature_K=config.temperature_K,
        T_tau=config.thermostat_time_fs * units.fs,
        externalstress=-config.pressure_GPa / EV_PER_A3_IN_GPA if npt else None,
        P_tau=config.barostat_time_fs * units.fs if npt else None,
        hydrostatic=not npt or config.cell_motion == "isotropic",
        rng=np.random.default_rng([config.seed, 1]),
    )


def _nose_hoover(atoms: Atoms, config: MDConfig, timestep: float) -> Integrator:
    """Nosé–Hoover chains, doi:10.1063/1.463940, with the barostat of doi:10.1063/1.467468."""
    kelvin, damping = config.temperature_K, config.thermostat_time_fs * units.fs
    if config.ensemble == "nvt":
        integrator = NoseHooverChainNVT(atoms, timestep, kelvin, damping)
    else:
        integrator = (IsotropicMTKNPT if config.cell_motion == "isotropic" else MTKNPT)(
            atoms,
            timestep,
            kelvin,
            pressure_au=config.pressure_GPa / EV_PER_A3_IN_GPA,
            tdamp=damping,
            pdamp=config.barostat_time_fs * units.fs,
        )
    # ASE steers 3N velocity components; ours keep total momentum at zero, and only the rest
    # should reach the target (64 atoms: 1.6 % in temperature, 15 atoms free in space: 13 %).
    freedom = degrees_of_freedom(atoms, friction=False)
    integrator._thermostat = NoseHooverChainThermostat(
        num_atoms_global=freedom / 3,  # pyright: ignore[reportArgumentType]
        masses=integrator.masses,
        temperature_K=kelvin,
        tdamp=damping,
    )
    return integrator
