"""What a molecular-dynamics run should do: one frozen record, checked when it is made."""

import math
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from rgnn.core.errors import InputError

Ensemble = Literal["nve", "nvt", "npt"]
"""What is held constant: energy, temperature, or temperature and pressure."""

Thermostat = Literal["langevin", "nose-hoover"]
"""`langevin` couples every atom to its own bath; `nose-hoover` couples their mean."""

CellMotion = Literal["isotropic", "full"]
"""Which cell changes `npt` allows: volume alone, or all six strains."""

EngineName = Literal["ase", "lammps"]
"""Which program integrates the equations of motion."""


@dataclass(frozen=True)
class MDConfig:
    """Settings of one run; times in fs, temperatures in K, pressures in GPa.

    The start draws velocities from the Maxwell–Boltzmann law at `temperature_K` itself, not at
    twice that: from a relaxed structure, NVE therefore settles near half of it.

    Langevin is the default thermostat because it stays canonical where Nosé–Hoover may not (small
    or nearly harmonic systems) and because it carries away the heat that read noise in the forces
    puts in. Its friction slows diffusion a little: take `nose-hoover` or `nve` to measure that.
    """

    temperature_K: float
    """Temperature of the starting velocities and of the thermostat."""
    steps: int
    """Steps in all, counted from the start of the first run also after a resume."""
    timestep_fs: float = 1.0
    """Time step; 0.5 with hydrogen, 1–2 without."""
    ensemble: Ensemble = "nvt"
    thermostat: Thermostat = "langevin"
    """Ignored by `nve`."""
    thermostat_time_fs: float = 200.0
    """Relaxation time of the thermostat: 1 / friction, or the Nosé–Hoover damping time."""
    pressure_GPa: float = 0.0
    """Target of `npt`; compression is positive."""
    barostat_time_fs: float = 1000.0
    """Relaxation time of the cell."""
    cell_motion: CellMotion = "isotropic"
    log_interval: int = 10
    """Steps between two rows of the log."""
    trajectory_interval: int = 10
    """Steps between two frames, each with a checkpoint to resume from."""
    engine: EngineName = "ase"
    """Who integrates; LAMMPS needs the extra `md`."""
    keep_velocities: bool = False
    """Start from the velocities of the structure instead of drawing new ones."""
    max_temperature_K: float | None = None
    """Stop above this; by default ten times the target plus 2000 K."""
    max_force_eV_per_A: float = 100.0
    """Stop when a force component exceeds this."""
    min_distance_A: float = 0.4
    """Stop when two atoms come closer than this (H₂ is 0.74 Å)."""
    warn_forces_std_eV_per_A: float = 0.5
    """Warn once when the calculator's own force uncertainty exceeds this: it extrapolates."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_numbers(self)

    @property
    def temperature_limit_K(self) -> float:
        """Return the temperature [K] above which the run counts as blown up."""
        if self.max_temperature_K is not None:
            return self.max_temperature_K
        return 10 * self.temperature_K + 2000

    @property
    def has_friction(self) -> bool:
        """Return whether a bath acts on every atom, so that total momentum is not conserved."""
        return self.ensemble != "nve" and self.thermostat == "langevin"

    def physics(self) -> dict[str, object]:
        """Return the settings that a resumed run must share with the one it continues."""
        free = {"steps", "max_temperature_K", "max_force_eV_per_A", "min_distance_A"}
        free |= {"warn_forces_std_eV_per_A"}
        return {name: value for name, value in asdict(self).items() if name not in free}


def _check_choices(config: MDConfig) -> None:
    choices = {
        "ensemble": Ensemble,
        "thermostat": Thermostat,
        "cell_motion": CellMotion,
        "engine": EngineName,
    }
    for name, kind in choices.items():
        if (value := getattr(config, name)) not in get_args(kind):
            raise InputError(
                f"md: unknown {name} '{value}'; use one of {', '.join(get_args(kind))}"
            )


def _check_numbers(config: MDConfig) -> None:
    lowest = 0.0 if config.ensemble == "nve" else 1e-3
    ranges = {
        "temperature_K": (lowest, 1e5),
        "steps": (0, math.inf),
        "timestep_fs": (1e-4, 20.0),
        "thermostat_time_fs": (config.timestep_fs, 1e6),
        "barostat_time_fs": (config.timestep_fs, 1e7),
        "pressure_GPa": (-1e4, 1e4),
        "log_interval": (1, math.inf),
        "trajectory_interval": (1, math.inf),
        "max_force_eV_per_A": (1e-3, math.inf),
        "min_distance_A": (0.0, 10.0),
        "warn_forces_std_eV_per_A": (0.0, math.inf),
        "seed": (0, math.inf),
    }
    for name, (low, high) in ranges.items():
        if not low <= (value := getattr(config, name)) <= high:  # also refuses NaN
            raise InputError(f"md: {name} must lie between {low:g} and {high:g}, got {value:g}")
